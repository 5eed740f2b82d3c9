use super::*;
use crate::image::ImageConfig;
use model::{Limits, Mount, ResourceRequirements, TaskSpec};

fn image() -> ImageConfig {
    serde_json::from_value(json!({ "config": {
        "Entrypoint": ["/entry"], "Cmd": ["serve"], "Env": ["A=image", "B=image"], "WorkingDir": "/srv",
        "Volumes": { "/var/lib/db": {} },
    }}))
    .unwrap()
}

fn attached() -> Attached {
    Attached {
        namespace: "/run/netns/t".into(),
        address: [172, 30, 0, 5].into(),
        prefix: 16,
        gateway: [172, 30, 0, 1].into(),
    }
}

fn spec_of(container: ContainerSpec, resources: Option<ResourceRequirements>) -> Result<Value, Error> {
    let mut task = Task {
        id: "t1".into(),
        slot: Some(2),
        ..Task::default()
    };
    task.origin.service_name = "web".into();
    task.spec = TaskSpec {
        container_spec: Some(container),
        resources,
        ..TaskSpec::default()
    };
    let board = TemplateBoard {
        hostname: "board-1".into(),
        os: "linux".into(),
        architecture: "aarch64".into(),
    };
    let data = model::template::fields(&task, &board);
    if let Some(container) = &mut task.spec.container_spec {
        *container = model::template::expand(container, &data).map_err(Error::Fatal)?;
    }
    let container = task.spec.container_spec.clone().unwrap_or_default();
    let uses = uses("0123456789abcdef", &image(), &container)?;
    build(&Parts {
        task: &task,
        image: &image(),
        user: User::default(),
        network: Some(&attached()),
        board: &board,
        files: Path::new("/run/files"),
        shown: &[],
        wishes: &model::Wishes::checked(&task.origin.service_labels),
        devices: &[crate::devices::Node {
            target: "/dev/ttyUSB0".to_owned(),
            kind: 'c',
            major: 188,
            minor: 0,
            mode: 0o660,
            uid: 0,
            gid: 20,
            access: "rw".to_owned(),
        }],
        init: None,
        uses: &uses,
        volumes: Path::new("/var/volumes"),
        id: "0123456789abcdef",
        clamp: Clamp {
            nofile: Some(1024),
            nproc: None,
            withheld: 0,
            oom_score_adj: 0,
            recursive_read_only: true,
            cgroup_v2: true,
            limits_swap: true,
        },
    })
}

fn strings(list: &[&str]) -> Option<Vec<String>> {
    Some(list.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn command_and_arguments_follow_dockers_rule() {
    let args = |command, args| {
        let spec = spec_of(
            ContainerSpec {
                command,
                args,
                ..Default::default()
            },
            None,
        )
        .unwrap();
        spec["process"]["args"].clone()
    };
    assert_eq!(args(None, None), json!(["/entry", "serve"]));
    assert_eq!(args(None, strings(&["x"])), json!(["/entry", "x"]));
    assert_eq!(args(strings(&["/c"]), None), json!(["/c"]));
    assert_eq!(args(strings(&["/c"]), strings(&["x"])), json!(["/c", "x"]));
}

#[test]
fn environment_is_overlaid_and_filled_in() {
    let env = strings(&["A=service", "B", "N={{.Node.Hostname}}-{{.Task.Slot}}"]);
    let spec = spec_of(
        ContainerSpec {
            env,
            ..Default::default()
        },
        None,
    )
    .unwrap();
    let env: Vec<String> = serde_json::from_value(spec["process"]["env"].clone()).unwrap();
    assert!(env.contains(&"A=service".to_owned()));
    assert!(!env.iter().any(|line| line.starts_with("B=")));
    assert!(env.contains(&"N=board-1-2".to_owned()));
    assert!(env.contains(&"HOSTNAME=0123456789ab".to_owned()));
}

#[test]
fn limits_become_the_kernels() {
    let limits = Limits {
        nano_cpus: Some(500_000_000),
        memory_bytes: Some(64 << 20),
        pids: Some(10),
    };
    let resources = ResourceRequirements {
        limits: Some(limits),
        ..Default::default()
    };
    let spec = spec_of(ContainerSpec::default(), Some(resources)).unwrap();
    let resources = &spec["linux"]["resources"];
    assert_eq!(resources["cpu"], json!({ "period": 100_000, "quota": 50_000 }));
    assert_eq!(resources["memory"]["limit"], 64 << 20);
    assert_eq!(resources["pids"]["limit"], 10);
    assert_eq!(resources["devices"][0]["allow"], false);
}

#[test]
fn capabilities_are_added_and_dropped() {
    let caps = |add: &[&str], drop: &[&str]| {
        let container = ContainerSpec {
            capability_add: strings(add),
            capability_drop: strings(drop),
            ..Default::default()
        };
        spec_of(container, None).map(|spec| spec["process"]["capabilities"]["bounding"].clone())
    };
    let named = |caps: Value, name: &str| caps.as_array().unwrap().iter().any(|cap| cap == name);
    assert!(named(caps(&["net_admin"], &[]).unwrap(), "CAP_NET_ADMIN"));
    assert!(!named(caps(&[], &["CAP_CHOWN"]).unwrap(), "CAP_CHOWN"));
    assert_eq!(caps(&["CHOWN"], &["ALL"]).unwrap(), json!(["CAP_CHOWN"]));
    assert!(caps(&["CAP_NONSENSE"], &[]).is_err());
}

#[test]
fn namespaces_cannot_be_made_without_the_capability() {
    let rules = |add: &[&str]| {
        let container = ContainerSpec {
            capability_add: strings(add),
            ..Default::default()
        };
        spec_of(container, None).unwrap()["linux"]["seccomp"]["syscalls"].to_string()
    };
    assert!(!rules(&[]).contains("\"unshare\""));
    assert!(rules(&["SYS_ADMIN"]).contains("\"unshare\""));
}

fn mount(kind: &str, source: &str, target: &str) -> Mount {
    Mount {
        kind: Some(kind.into()),
        source: Some(source.into()),
        target: Some(target.into()),
        ..Mount::default()
    }
}

fn mounted(mounts: Vec<Mount>) -> Result<Vec<Value>, Error> {
    let container = ContainerSpec {
        mounts: Some(mounts),
        ..Default::default()
    };
    let spec = spec_of(container, None)?;
    Ok(spec["mounts"].as_array().unwrap().clone())
}

#[test]
fn a_mount_may_take_the_place_of_one_of_ours_and_a_volume_stays_in_its_folder() {
    let all = mounted(vec![
        mount("tmpfs", "", "/dev/shm"),
        mount("volume", "data-{{.Task.Slot}}", "/data"),
    ])
    .unwrap();
    let at = |target: &str| {
        all.iter()
            .filter(|mount| mount["destination"] == target)
            .collect::<Vec<_>>()
    };
    assert_eq!(at("/dev/shm").len(), 1);
    assert_eq!(at("/data")[0]["source"], "/var/volumes/data-2/_data");
    // What the image calls a volume gets one that goes with the container.
    let own = at("/var/lib/db")[0]["source"].as_str().unwrap();
    assert!(own.starts_with("/var/volumes/") && own.len() == "/var/volumes//_data".len() + 64);
    assert!(mounted(vec![mount("volume", "../../etc", "/data")]).is_err());
    let covered = mounted(vec![mount("tmpfs", "", "/var/lib/db/")]).unwrap();
    assert!(!covered.iter().any(|mount| mount["destination"] == "/var/lib/db"));
}

#[test]
fn options_of_mounts_are_dockers() {
    let mut scratch = mount("tmpfs", "", "/scratch");
    scratch.tmpfs_options = Some(model::TmpfsOptions {
        size_bytes: Some(4096),
        mode: Some(0o700),
        options: Some(vec![vec!["exec".to_owned()]]),
    });
    let mut bound = mount("bind", "/srv", "/srv");
    bound.read_only = Some(true);
    bound.bind_options = Some(model::BindOptions {
        propagation: Some("rslave".to_owned()),
        ..Default::default()
    });
    let container = ContainerSpec {
        mounts: Some(vec![scratch.clone(), bound]),
        ..Default::default()
    };
    let spec = spec_of(container, None).unwrap();
    let options = |target: &str| {
        let all = spec["mounts"].as_array().unwrap();
        all.iter().find(|mount| mount["destination"] == target).unwrap()["options"].clone()
    };
    assert_eq!(
        options("/scratch"),
        json!(["nosuid", "nodev", "rw", "size=4096", "mode=700"])
    );
    assert_eq!(options("/srv"), json!(["rbind", "rslave", "rro"]));
    assert_eq!(spec["linux"]["rootfsPropagation"], "rslave");
    assert!(
        spec["linux"]["namespaces"]
            .as_array()
            .unwrap()
            .contains(&json!({ "type": "cgroup" }))
    );
    scratch.tmpfs_options = Some(model::TmpfsOptions {
        options: Some(vec![vec!["uid".to_owned(), "7".to_owned()]]),
        ..Default::default()
    });
    assert!(mounted(vec![scratch]).is_err());
}

/// A container that eats memory is to be ended at its limit, and not to fill the board's swap first.
#[test]
fn a_limit_of_memory_is_one_of_swap_too() {
    let memory = |swap_bytes| {
        let limits = model::Limits {
            memory_bytes: Some(1 << 25),
            ..Default::default()
        };
        let resources = ResourceRequirements {
            limits: Some(limits),
            swap_bytes,
            ..Default::default()
        };
        let spec = spec_of(ContainerSpec::default(), Some(resources)).unwrap();
        spec["linux"]["resources"]["memory"].clone()
    };
    assert_eq!(memory(None), json!({ "limit": 1 << 25, "swap": 2 << 25 }));
    assert_eq!(memory(Some(0)), json!({ "limit": 1 << 25, "swap": 1 << 25 }));
    assert_eq!(memory(Some(-1)), json!({ "limit": 1 << 25, "swap": -1 }));
}

#[test]
fn what_a_board_can_not_do_is_said() {
    let swappy = ResourceRequirements {
        memory_swappiness: Some(10),
        ..Default::default()
    };
    let refused = spec_of(ContainerSpec::default(), Some(swappy))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("swappiness"), "{refused}");
    let unheard_of = ContainerSpec {
        capability_add: strings(&["FLY"]),
        ..Default::default()
    };
    assert!(spec_of(unheard_of, None).is_err());
}

#[test]
fn a_hard_limit_beyond_our_own_is_cut() {
    let limit = model::Ulimit {
        name: "nofile".into(),
        hard: 9000,
        soft: 8000,
    };
    let spec = spec_of(
        ContainerSpec {
            ulimits: Some(vec![limit]),
            ..Default::default()
        },
        None,
    )
    .unwrap();
    assert_eq!(spec["process"]["rlimits"][0]["hard"], 1024);
}
