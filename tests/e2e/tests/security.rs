//! Who may come in, who is out, and by which keys.

use anyhow::Result;
use bramble_e2e::{PATIENCE, contains, docker, refused, until};
use lab::Lab;

/// Boards that wait for `docker swarm init`, with their APIs up.
fn by_hand(name: &str, boards: usize) -> Result<Lab> {
    let lab = Lab::prepare_by_hand(name, boards)?;
    lab.start_all()?;
    lab.wait_for("all APIs", PATIENCE, || {
        let up = lab.boards().iter().all(|board| board.docker(&["info"]).success());
        Ok(Some(()).filter(|()| up))
    })?;
    Ok(lab)
}

/// The settings of `docker swarm init` and `update` take effect or are refused in words; a token that was rotated lets nobody
/// in; a node that was removed while it was off learns of it and is out.
#[test]
fn settings_tokens_and_a_removed_node() -> Result<()> {
    let lab = by_hand("settings", 2)?;
    let (first, second) = (lab.board(1), lab.board(2));
    for (flag, says) in [
        ("--cert-expiry 59m", "minimum certificate expiry time is 1h0m0s"),
        ("--max-snapshots 1", "--max-snapshots can only be 0"),
        (
            "--external-ca protocol=cfssl,url=https://ca.example",
            "--external-ca",
        ),
        ("--dispatcher-heartbeat 1ms", "between 100ms and 10m0s"),
    ] {
        contains(&refused(first, &format!("swarm init {flag}"))?, says)?;
    }
    docker(
        first,
        "swarm init --cert-expiry 1h --dispatcher-heartbeat 1s --snapshot-interval 5 --task-history-limit 2",
    )?;
    let settings = "info --format {{.Swarm.Cluster.Spec.Dispatcher.HeartbeatPeriod}}|\
                    {{.Swarm.Cluster.Spec.CAConfig.NodeCertExpiry}}|{{.Swarm.Cluster.Spec.Raft.SnapshotInterval}}|\
                    {{.Swarm.Cluster.Spec.Orchestration.TaskHistoryRetentionLimit}}";
    let before = docker(first, settings)?;
    assert_eq!(before.trim(), "1s|1h0m0s|5|2");
    docker(first, "swarm update --snapshot-interval 100 --cert-expiry 2h")?;
    contains(
        &refused(first, "swarm update --max-snapshots 3")?,
        "--max-snapshots can only be 0",
    )?;
    assert_eq!(docker(first, settings)?.trim(), "1s|2h0m0s|100|2");

    let old = docker(first, "swarm join-token -q worker")?.trim().to_owned();
    let new = docker(first, "swarm join-token --rotate -q worker")?
        .trim()
        .to_owned();
    assert_ne!(old, new);
    let address = format!("{}:2377", first.address());
    contains(
        &refused(second, &format!("swarm join --token {old} {address}"))?,
        "a valid join token is necessary",
    )?;
    docker(second, &format!("swarm join --token {new} {address}"))?;
    until(&lab, first, "node ls", |said| {
        said.matches(" Ready ").count() == 2
    })?;

    second.stop()?;
    until(&lab, first, "node ls", |said| said.contains("Down"))?;
    docker(first, "node rm board-2")?;
    second.start()?;
    until(&lab, second, "info --format {{.Swarm.LocalNodeState}}", |said| {
        said.trim() == "inactive"
    })?;
    docker(second, &format!("swarm join --token {new} {address}"))?;
    until(&lab, first, "node ls", |said| {
        said.matches(" Ready ").count() == 2
    })?;
    Ok(())
}
