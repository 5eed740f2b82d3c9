//! The cluster's settings: what a user gave over what holds, and what of it can't be.

use super::Refusal;
use model::{CaSettings, ClusterSpec, DispatcherSettings, EncryptionSettings, Orchestration, RaftSettings};
use std::time::Duration;

const MINUTE: i64 = 60_000_000_000;
const HOUR: i64 = 60 * MINUTE;
/// The shortest time between two beats, which a board and its network can keep up.
const SHORTEST_BEAT: i64 = 100_000_000;
/// The longest: a board that is gone would be missed only after three of them.
const LONGEST_BEAT: i64 = 10 * MINUTE;

/// What `given` leaves open stays as it was, as in Docker: absent, and 0 where that is no setting.
pub(super) fn merged(given: ClusterSpec, old: &ClusterSpec) -> ClusterSpec {
    fn set<T: PartialEq + Default + Clone>(given: Option<T>, old: &Option<T>) -> Option<T> {
        given
            .filter(|value| *value != T::default())
            .or_else(|| old.clone())
    }
    let (raft, ca) = (&given.raft, &given.ca_config);
    ClusterSpec {
        name: set(given.name, &old.name),
        labels: given.labels.or_else(|| old.labels.clone()),
        orchestration: Orchestration {
            task_history_retention_limit: given
                .orchestration
                .task_history_retention_limit
                .or(old.orchestration.task_history_retention_limit),
        },
        raft: RaftSettings {
            snapshot_interval: set(raft.snapshot_interval, &old.raft.snapshot_interval),
            keep_old_snapshots: raft.keep_old_snapshots.or(old.raft.keep_old_snapshots),
            log_entries_for_slow_followers: set(
                raft.log_entries_for_slow_followers,
                &old.raft.log_entries_for_slow_followers,
            ),
            election_tick: set(raft.election_tick, &old.raft.election_tick),
            heartbeat_tick: set(raft.heartbeat_tick, &old.raft.heartbeat_tick),
        },
        dispatcher: DispatcherSettings {
            heartbeat_period: set(
                given.dispatcher.heartbeat_period,
                &old.dispatcher.heartbeat_period,
            ),
        },
        ca_config: CaSettings {
            node_cert_expiry: set(ca.node_cert_expiry, &old.ca_config.node_cert_expiry),
            external_cas: ca.external_cas.clone(),
            signing_ca_cert: set(ca.signing_ca_cert.clone(), &None),
            signing_ca_key: set(ca.signing_ca_key.clone(), &None),
            force_rotate: ca.force_rotate.or(old.ca_config.force_rotate),
        },
        task_defaults: given.task_defaults,
        encryption_config: EncryptionSettings {
            auto_lock_managers: given
                .encryption_config
                .auto_lock_managers
                .or(old.encryption_config.auto_lock_managers),
        },
    }
}

/// Checks what a user asks of the cluster, at its founding or later.
///
/// # Errors
/// [`Refusal`], with what is wrong.
pub fn validate(spec: &ClusterSpec) -> Result<(), Refusal> {
    let ca = &spec.ca_config;
    if ca
        .external_cas
        .as_ref()
        .is_some_and(|external| !external.is_empty())
    {
        return Err(Refusal::Unimplemented(
            "certificates are signed by the managers themselves, not by a certificate authority elsewhere (--external-ca): \
             to sign with a root of your own, give it with its key to docker swarm ca --rotate --ca-cert FILE --ca-key FILE"
                .to_owned(),
        ));
    }
    let expiry = ca.node_cert_expiry.unwrap_or_default();
    if expiry != 0 && expiry < HOUR {
        return Err(Refusal::invalid("minimum certificate expiry time is 1h0m0s"));
    }
    if u64::try_from(expiry).is_ok_and(|nanos| Duration::from_nanos(nanos) > pki::ca::ROOT_VALIDITY) {
        return Err(Refusal::invalid(
            "maximum certificate expiry time is 175200h0m0s, which is the root's own",
        ));
    }
    beat(spec.dispatcher.heartbeat_period.unwrap_or_default())?;
    raft(&spec.raft)
}

fn beat(period: i64) -> Result<(), Refusal> {
    if period < 0 {
        return Err(Refusal::invalid(
            "heartbeat time period cannot be a negative duration",
        ));
    }
    if period != 0 && !(SHORTEST_BEAT..=LONGEST_BEAT).contains(&period) {
        return Err(Refusal::invalid(
            "heartbeat time period must be between 100ms and 10m0s",
        ));
    }
    Ok(())
}

/// Our own clock of Raft is finer than Swarm's ticks and is not set; Swarm's defaults stand for it.
fn raft(raft: &RaftSettings) -> Result<(), Refusal> {
    if raft.keep_old_snapshots.unwrap_or_default() > 0 {
        return Err(Refusal::invalid(
            "only the newest snapshot is kept, to write less to cards: --max-snapshots can only be 0",
        ));
    }
    for (name, given, fixed) in [
        (
            "LogEntriesForSlowFollowers",
            raft.log_entries_for_slow_followers
                .map(|value| i64::try_from(value).unwrap_or(i64::MAX)),
            500,
        ),
        ("ElectionTick", raft.election_tick, 10),
        ("HeartbeatTick", raft.heartbeat_tick, 1),
    ] {
        if given.is_some_and(|value| value != 0 && value != fixed) {
            return Err(Refusal::invalid(format!("Raft's {name} is always {fixed} here")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(change: impl FnOnce(&mut ClusterSpec)) -> ClusterSpec {
        let mut spec = ClusterSpec::default();
        change(&mut spec);
        spec
    }

    #[test]
    fn what_can_not_be_is_refused_in_words() {
        for (spec, says) in [
            (
                spec(|spec| spec.ca_config.node_cert_expiry = Some(HOUR - 1)),
                "1h0m0s",
            ),
            (
                spec(|spec| spec.ca_config.node_cert_expiry = Some(i64::MAX)),
                "175200h",
            ),
            (
                spec(|spec| spec.dispatcher.heartbeat_period = Some(-1)),
                "negative",
            ),
            (
                spec(|spec| spec.dispatcher.heartbeat_period = Some(1)),
                "between 100ms",
            ),
            (
                spec(|spec| spec.raft.keep_old_snapshots = Some(1)),
                "--max-snapshots",
            ),
            (
                spec(|spec| spec.raft.election_tick = Some(20)),
                "ElectionTick is always 10",
            ),
            (
                spec(|spec| spec.ca_config.external_cas = Some(vec![Default::default()])),
                "--external-ca",
            ),
        ] {
            let refusal = validate(&spec).unwrap_err().to_string();
            assert!(refusal.contains(says), "{refusal}");
        }
        assert_eq!(
            validate(&spec(|spec| spec.ca_config.node_cert_expiry = Some(HOUR))),
            Ok(())
        );
    }

    #[test]
    fn what_is_left_open_stays_as_it_was() {
        let old = spec(|spec| {
            spec.name = Some("home".into());
            spec.raft.snapshot_interval = Some(7);
            spec.dispatcher.heartbeat_period = Some(5_000_000_000);
            spec.encryption_config.auto_lock_managers = Some(true);
        });
        let given = spec(|spec| {
            spec.dispatcher.heartbeat_period = Some(0);
            spec.orchestration.task_history_retention_limit = Some(0);
        });
        let mut wanted = old.clone();
        wanted.orchestration.task_history_retention_limit = Some(0);
        assert_eq!(merged(given, &old), wanted);
    }
}
