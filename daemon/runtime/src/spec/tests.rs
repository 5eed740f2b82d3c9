use super::*;
use crate::image::ImageConfig;
use model::{Limits, Mount, ResourceRequirements, TaskSpec};

fn image() -> ImageConfig {
    serde_json::from_value(json!({ "config": {
        "Entrypoint": ["/entry"], "Cmd": ["serve"], "Env": ["A=image", "B=image"], "WorkingDir": "/srv",
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
    let board = Board {
        hostname: "board-1".into(),
        os: "linux".into(),
        architecture: "aarch64".into(),
    };
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
        volumes: Path::new("/var/volumes"),
        id: "0123456789abcdef",
        clamp: Clamp {
            nofile: Some(1024),
            nproc: None,
            withheld: 0,
            oom_score_adj: 0,
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
    let env = strings(&["A=service", "B", "N={{.Node.Hostname}}-{{.Task.Slot}}-{{.What}}"]);
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
    assert!(env.contains(&"N=board-1-2-{{.What}}".to_owned()));
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

#[test]
fn a_mount_may_take_the_place_of_one_of_ours_and_a_volume_stays_in_its_folder() {
    let mount = |kind: &str, source: &str, target: &str| Mount {
        kind: Some(kind.into()),
        source: Some(source.into()),
        target: Some(target.into()),
        ..Mount::default()
    };
    let mounts = vec![
        mount("tmpfs", "", "/dev/shm"),
        mount("volume", "../../etc", "/data"),
    ];
    let spec = spec_of(
        ContainerSpec {
            mounts: Some(mounts),
            ..Default::default()
        },
        None,
    )
    .unwrap();
    let all = spec["mounts"].as_array().unwrap();
    assert_eq!(
        all.iter()
            .filter(|mount| mount["destination"] == "/dev/shm")
            .count(),
        1
    );
    let data = all.iter().find(|mount| mount["destination"] == "/data").unwrap();
    assert!(data["source"].as_str().unwrap().starts_with("/var/volumes/"));
    assert!(!data["source"].as_str().unwrap().contains("/etc"));
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
