//! Labs from beginning to end, with a stand-in for the daemon: a script that starts a child, as a daemon starts containers.

#![allow(
    clippy::unwrap_used,
    reason = "clippy takes helpers outside test functions for no tests"
)]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use lab::{Board, Lab, Name, Options, repository, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// Says its arguments, leaves a child and a file in `/run`, and ends on SIGTERM as asked, with the child left running.
const STAND_IN: &str = "#!/bin/sh
trap 'echo bye; exit 0' TERM
mkdir -p /run/bramble/mnt
mount -t tmpfs tmpfs /run/bramble/mnt
sleep 1000 &
echo \"up as $(cat /proc/sys/kernel/hostname): $*\"
while :; do wait; sleep 1000 & wait $!; done
";

/// A lab with the stand-in.
struct Stage(Option<Lab>);

impl Stage {
    fn new(name: &str, boards: usize) -> Self {
        // One for each lab: a script that runs somewhere cannot be written.
        let daemon = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-daemon"));
        fs::write(&daemon, STAND_IN).unwrap();
        fs::set_permissions(&daemon, fs::Permissions::from_mode(0o755)).unwrap();
        let options = Options {
            daemon,
            ..Options::new(boards)
        };
        Stage(Some(Lab::owned(name, options).unwrap()))
    }

    fn lab(&self) -> &Lab {
        self.0.as_ref().unwrap()
    }

    /// Starts a board and waits for its stand-in's word.
    fn start(&self, number: usize) -> &Board {
        let board = self.lab().board(number);
        let said = || {
            fs::read_to_string(board.log())
                .unwrap_or_default()
                .matches("up as")
                .count()
        };
        let before = said();
        board.start().unwrap();
        wait_for("the stand-in", PATIENCE, || Ok((said() > before).then_some(()))).unwrap();
        board
    }
}

/// All that a lab of that name has left in the system: namespaces, mounts, control groups, processes, files.
fn traces(name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let list = |dir: &Path| {
        fs::read_dir(dir)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect::<Vec<_>>()
    };
    for file in list(Path::new("/run/netns")) {
        if file
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with(&format!("{name}-"))
        {
            found.insert(file.display().to_string());
        }
    }
    for line in fs::read_to_string("/proc/self/mountinfo").unwrap().lines() {
        if line.contains(&format!("/{name}-")) || line.contains(&format!("/lab/{name}/")) {
            found.insert(line.to_owned());
        }
    }
    let mut hierarchies = list(Path::new("/sys/fs/cgroup"));
    hierarchies.push("/sys/fs/cgroup".into());
    for dir in hierarchies {
        let dir = dir.join("bramble-lab").join(name);
        if dir.exists() {
            found.insert(dir.display().to_string());
        }
    }
    for dir in list(Path::new("/proc")) {
        let group = fs::read_to_string(dir.join("cgroup")).unwrap_or_default();
        let arguments = fs::read(dir.join("cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        let zombie = arguments.is_empty();
        if !zombie
            && (group.contains(&format!("bramble-lab/{name}/"))
                || arguments.contains(&format!("--name {name} ")))
        {
            found.insert(format!("{}: {arguments}", dir.display()));
        }
    }
    let dir = repository().join("target/lab").join(name);
    if dir.exists() {
        found.insert(dir.display().to_string());
    }
    found
}

#[test]
fn a_lab_leaves_only_logs() {
    let name = "t-traces";
    assert_eq!(traces(name), BTreeSet::new());
    let mut stage = Stage::new(name, 2);
    let board = stage.start(1);
    stage.start(2);
    assert!(traces(name).len() > 10, "{:?}", traces(name));
    assert_eq!(
        board.sh(&["cat", "/proc/sys/kernel/hostname"]).ok().unwrap(),
        "board-1"
    );
    stage.0.take().unwrap().down().unwrap();
    assert_eq!(traces(name), BTreeSet::new());
    let log = repository()
        .join("target/lab/logs")
        .join(name)
        .join("board-1.log");
    assert!(
        fs::read_to_string(log)
            .unwrap()
            .contains("up as board-1: daemon --card")
    );
}

#[test]
fn a_board_without_its_cable_is_out_of_reach() {
    let stage = Stage::new("t-cable", 2);
    let (one, two) = (stage.lab().board(1), stage.lab().board(2));
    one.power_on().unwrap();
    let ping = |address: String| one.sh(&["busybox", "ping", "-c", "1", "-W", "1", &address]);
    let reached = |wanted: bool| {
        wait_for("the ping", PATIENCE, || {
            Ok((ping(two.address().to_string()).success() == wanted).then_some(()))
        })
    };
    reached(true).unwrap();
    two.cut().unwrap();
    reached(false).unwrap();
    ping("10.9.0.1".to_owned()).ok().unwrap();
    two.heal().unwrap();
    reached(true).unwrap();
}

#[test]
fn the_registry_serves_what_its_index_names() {
    let stage = Stage::new("t-registry", 1);
    let board = stage.lab().board(1);
    board.power_on().unwrap();
    let fetch = |path: &str, kind: &str| {
        let url = format!("http://10.9.0.1:5000/v2/library/{path}");
        let accept = format!("Accept: application/vnd.oci.image.{kind}");
        board
            .sh(&["busybox", "wget", "-q", "-O", "-", "--header", &accept, &url])
            .ok()
            .unwrap()
    };
    for image in [
        "ubuntu 14.04",
        "nginx 1.10",
        "nginx 1.11",
        "alpine latest",
        "busybox latest",
    ] {
        let (name, tag) = image.split_once(' ').unwrap();
        let index: serde_json::Value =
            serde_json::from_str(&fetch(&format!("{name}/manifests/{tag}"), "index.v1+json")).unwrap();
        let entry = &index["manifests"][0];
        assert_eq!(entry["platform"]["os"], "linux");
        let path = format!("{name}/manifests/{}", entry["digest"].as_str().unwrap());
        let manifest: serde_json::Value = serde_json::from_str(&fetch(&path, "manifest.v1+json")).unwrap();
        let path = format!("{name}/blobs/{}", manifest["config"]["digest"].as_str().unwrap());
        let config: serde_json::Value = serde_json::from_str(&fetch(&path, "config.v1+json")).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(
            config["rootfs"]["diff_ids"].as_array().unwrap().len(),
            layers.len()
        );
        for layer in layers {
            let digest = layer["digest"].as_str().unwrap();
            let url = format!("http://10.9.0.1:5000/v2/library/{name}/blobs/{digest}");
            let sum = board
                .sh(&["sh", "-c", "busybox wget -q -O - \"$0\" | sha256sum", &url])
                .ok()
                .unwrap();
            assert_eq!(format!("sha256:{}", &sum[..64]), digest);
        }
    }
}

#[test]
fn killing_a_daemon_spares_its_children_and_a_power_cut_spares_nothing() {
    let stage = Stage::new("t-power", 2);
    let board = stage.start(1);
    let mount = || {
        board
            .root()
            .is_some_and(|root| root.join("run/bramble/mnt").exists())
    };
    let pid = board.daemon_pid().unwrap();
    assert!(board.start().is_err(), "it is running");
    let error = stage.lab().ready().unwrap_err().to_string();
    assert!(
        error.starts_with("board-2's daemon does not run") && error.contains("up as board-1"),
        "{error}"
    );
    board.kill().unwrap();
    assert_eq!(board.daemon_pid(), None);
    assert!(board.kill().is_err(), "it is not running");
    assert!(mount() && board.processes().len() >= 2, "the keeper and a child");

    stage.start(1);
    assert_ne!(board.daemon_pid().unwrap(), pid);
    board.stop().unwrap();
    assert!(fs::read_to_string(board.log()).unwrap().ends_with("bye\n"));
    assert!(mount());

    stage.start(1);
    stage.start(2);
    assert!(board.cpu_seconds().unwrap() > 0.0);
    board.power_off().unwrap();
    assert_eq!(
        (board.processes(), board.root(), board.daemon_pid()),
        (vec![], None, None)
    );
    assert!(stage.lab().board(2).daemon_pid().is_some());
    assert!(board.sh(&["true"]).fails().unwrap().contains("off"));

    stage.start(1);
    assert_eq!(
        board
            .sh(&["sh", "-c", "mount | grep -c /run/bramble/mnt"])
            .ok()
            .unwrap(),
        "1"
    );
    stage.lab().power_off_all().unwrap();
    assert!(
        stage
            .lab()
            .boards()
            .iter()
            .all(|board| board.processes().is_empty())
    );
}

#[test]
fn labs_side_by_side_do_not_see_each_other() {
    let (one, other) = (Stage::new("t-one", 1), Stage::new("t-other", 2));
    let board = one.lab().board(1);
    board.power_on().unwrap();
    let ping = |address: &str| board.sh(&["busybox", "ping", "-c", "1", "-W", "1", address]);
    ping("10.9.0.1").ok().unwrap();
    ping("10.9.0.12").fails().unwrap();
    let named: Name = "t-other".parse().unwrap();
    assert!(
        Lab::lasting(named.clone(), Options::new(1)).is_err(),
        "the name is taken"
    );
    assert_eq!(
        Lab::open(named).unwrap().boards().len(),
        other.lab().boards().len()
    );
}

#[test]
fn what_a_crash_left_of_a_lab_can_be_taken_away() {
    let name = "t-crash";
    let stage = Stage::new(name, 2);
    stage.start(1);
    Command::new("ip")
        .args(["netns", "delete", "t-crash-board-2"])
        .status()
        .unwrap();
    fs::remove_file(repository().join("target/lab/t-crash/lab.json")).unwrap();
    assert!(Lab::open(name.parse().unwrap()).is_err());
    assert!(lab::down(&name.parse().unwrap()).unwrap());
    assert!(
        !lab::down(&name.parse().unwrap()).unwrap(),
        "nothing is there any more"
    );
    drop(stage);
    assert_eq!(traces(name), BTreeSet::new());
}

#[test]
fn a_lab_ends_when_its_owner_is_killed() {
    let name = "t-janitor";
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "owner", "--ignored", "--nocapture"])
        .env("LAB_TEST_OWNS", name)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let up = wait_for("the owner's lab", PATIENCE, || {
        let lab = Lab::open(name.parse()?)?;
        Ok(lab.board(1).daemon_pid())
    });
    owner.kill().unwrap();
    owner.wait().unwrap();
    up.unwrap();
    let gone = || Ok(traces(name).is_empty().then_some(()));
    wait_for("the lab to go", PATIENCE, gone).unwrap();
}

/// Not a test: the process that the test above kills.
#[test]
#[ignore = "a part of another test"]
fn owner() {
    let Ok(name) = std::env::var("LAB_TEST_OWNS") else {
        return;
    };
    let stage = Stage::new(&name, 1);
    stage.start(1);
    let _ = std::io::stdin().read_line(&mut String::new());
}
