//! Clusters in one process, with a transport that can be cut.

use crate::*;
use async_trait::async_trait;
use bytes::Bytes;
use model::{NodeId, Service};
use state::{Conflict, Transaction};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// Not a seal: turns bytes over, so that a test can look for what must not be readable.
struct Turned;

impl Seal for Turned {
    fn seal(&self, aad: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        Some([aad, plain].concat().iter().map(|byte| !byte).collect())
    }

    fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let bytes: Vec<u8> = sealed.iter().map(|byte| !byte).collect();
        bytes.strip_prefix(aad).map(<[u8]>::to_vec)
    }
}

/// The wires between all stores of a test.
#[derive(Clone, Default)]
struct Wires {
    stores: Arc<Mutex<HashMap<u64, Store>>>,
    cut: Arc<Mutex<HashSet<u64>>>,
}

struct Line {
    from: u64,
    wires: Wires,
}

#[async_trait]
impl Transport for Line {
    async fn call(
        &self,
        peer: &Peer,
        verb: Verb,
        body: Bytes,
        limit: Duration,
    ) -> Result<Bytes, TransportError> {
        let cut = |id: u64| self.wires.cut.lock().unwrap().contains(&id);
        let store = self.wires.stores.lock().unwrap().get(&peer.id).cloned();
        let store = store.filter(|_| !cut(peer.id) && !cut(self.from));
        let store = store.ok_or_else(|| TransportError::Unreachable("cut".to_owned()))?;
        let answer = timeout(limit, store.handle(verb, body))
            .await
            .map_err(|_| TransportError::Timeout)?;
        answer.map_err(|error| TransportError::Unreachable(error.to_string()))
    }
}

impl Wires {
    async fn open(&self, dir: &Path, id: u64) -> Store {
        self.open_with(dir, id, Timing::default()).await
    }

    async fn open_with(&self, dir: &Path, id: u64, timing: Timing) -> Store {
        let store = self.try_open(dir, id, timing).await.unwrap();
        self.stores.lock().unwrap().insert(id, store.clone());
        store
    }

    async fn try_open(&self, dir: &Path, id: u64, timing: Timing) -> Result<Store, OpenError> {
        let me = Member {
            id,
            node: NodeId::from(format!("n{id}")),
            address: format!("10.0.0.{id}:1"),
        };
        let transport = Arc::new(Line {
            from: id,
            wires: self.clone(),
        });
        let mut options = Options::new(dir.join(id.to_string()), Arc::new(Turned), me, transport);
        options.timing = Timing {
            patience: Duration::from_secs(2),
            ..timing
        };
        Store::open(options).await
    }

    /// Opens one that was closed: its file is free once Raft's last task is gone.
    async fn reopen(&self, dir: &Path, id: u64) -> Store {
        let opened = timeout(PATIENCE, async {
            loop {
                match self.try_open(dir, id, Timing::default()).await {
                    Ok(store) => return store,
                    Err(OpenError::Busy) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        opened.await.unwrap()
    }

    /// Three managers, the first of which leads.
    async fn three(&self, dir: &Path) -> [Store; 3] {
        let first = self.open(dir, 1).await;
        first.found(named("first")).await.unwrap();
        for id in [2, 3] {
            self.open(dir, id).await;
            first.add_learner(peer(id)).await.unwrap();
            first.promote(id).await.unwrap();
        }
        let stores = self.stores.lock().unwrap();
        [stores[&1].clone(), stores[&2].clone(), stores[&3].clone()]
    }
}

fn peer(id: u64) -> Peer {
    Peer {
        id,
        node: NodeId::from(format!("n{id}")),
        address: format!("10.0.0.{id}:1"),
    }
}

fn named(name: &str) -> Transaction {
    let mut service = Service {
        id: name.into(),
        ..Service::default()
    };
    service.spec.name = name.to_owned();
    let mut transaction = Transaction::new();
    transaction.create(service);
    transaction
}

/// Waits until a store has a service.
async fn sees(store: &Store, name: &str) {
    let mut views = store.watch();
    let has = views.wait_for(|view| view.service(&name.into()).is_some());
    timeout(PATIENCE, has).await.expect("in time").expect("open");
}

/// Waits until one of the stores leads.
async fn leader(stores: &[&Store]) -> usize {
    let waiting = stores.iter().map(|store| {
        let mut standing = store.standing();
        Box::pin(async move { standing.wait_for(|standing| standing.i_lead).await.is_ok() })
    });
    timeout(PATIENCE, futures::future::select_all(waiting))
        .await
        .expect("a leader in time")
        .1
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_commits_all_see_and_a_follower_says_who_leads() {
    let (dir, wires) = (tempfile::tempdir().unwrap(), Wires::default());
    let [first, second, third] = wires.three(dir.path()).await;
    first.commit(named("web")).await.unwrap();
    sees(&second, "web").await;
    sees(&third, "web").await;
    assert!(first.read().await.unwrap().service(&"web".into()).is_some());
    assert_eq!(
        second.commit(named("late")).await,
        Err(CommitError::NotLeader {
            leader: Some("n1".into())
        })
    );
    assert_eq!(
        second.read().await.unwrap_err(),
        Unavailable::NotLeader {
            leader: Some("n1".into())
        }
    );
    assert_eq!(
        first.commit(named("web")).await,
        Err(CommitError::Conflict(Conflict::Exists(state::Key::Service(
            "web".into()
        ))))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_nothing_is_acknowledged_and_it_heals() {
    let (dir, wires) = (tempfile::tempdir().unwrap(), Wires::default());
    let [first, second, third] = wires.three(dir.path()).await;
    wires.cut.lock().unwrap().extend([2, 3]);
    assert_eq!(first.commit(named("lost")).await, Err(CommitError::NoQuorum));
    assert_eq!(first.read().await.unwrap_err(), Unavailable::NoQuorum);
    wires.cut.lock().unwrap().clear();
    let all = [&first, &second, &third];
    let leads = leader(&all).await;
    let mut written = all[leads].commit(named("healed")).await;
    for _ in 0..20 {
        if written.is_ok() {
            break;
        }
        let leads = leader(&all).await;
        written = all[leads].commit(named("healed")).await;
    }
    written.unwrap();
    sees(&second, "healed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_leads_when_the_leader_is_gone() {
    let (dir, wires) = (tempfile::tempdir().unwrap(), Wires::default());
    let [first, second, third] = wires.three(dir.path()).await;
    first.commit(named("before")).await.unwrap();
    wires.cut.lock().unwrap().insert(1);
    let others = [&second, &third];
    let next = others[leader(&others).await];
    assert!(next.read().await.unwrap().service(&"before".into()).is_some());
    next.commit(named("after")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_is_handed_over_and_a_member_goes() {
    let (dir, wires) = (tempfile::tempdir().unwrap(), Wires::default());
    let [first, second, third] = wires.three(dir.path()).await;
    first.hand_over().await.unwrap();
    let others = [&second, &third];
    let next = others[leader(&others).await];
    next.remove(1).await.unwrap();
    next.remove(1).await.unwrap();
    let members = next.standing().borrow().members.clone();
    assert!(members.iter().all(|member| member.id != 1), "{members:?}");
    next.commit(named("without")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_what_would_lose_the_quorum_is_refused() {
    let (dir, wires) = (tempfile::tempdir().unwrap(), Wires::default());
    let [first, ..] = wires.three(dir.path()).await;
    first.remove(3).await.unwrap();
    wires.cut.lock().unwrap().insert(2);
    let mut standing = first.standing();
    let silent = standing.wait_for(|standing| standing.members.iter().any(|member| !member.reachable));
    timeout(PATIENCE, silent).await.expect("in time").expect("open");
    assert!(matches!(
        first.remove(1).await,
        Err(MembershipError::WouldLoseQuorum(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_comes_back_from_disk_and_the_disk_tells_nothing() {
    let (dir, wires) = (tempfile::tempdir().unwrap(), Wires::default());
    let first = wires.open(dir.path(), 1).await;
    first.found(named("plainly-written-secret")).await.unwrap();
    first.commit(named("web")).await.unwrap();
    first.close().await;
    drop(first);
    wires.stores.lock().unwrap().clear();
    let bytes = std::fs::read(dir.path().join("1/raft.redb")).unwrap();
    let secret = b"plainly-written-secret";
    assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    let again = wires.reopen(dir.path(), 1).await;
    sees(&again, "web").await;
    leader(&[&again]).await;
    again.commit(named("after")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_comer_gets_a_snapshot() {
    let (dir, wires) = (tempfile::tempdir().unwrap(), Wires::default());
    let timing = Timing {
        snapshot_every: 20,
        keep_entries: 2,
        ..Timing::default()
    };
    let first = wires.open_with(dir.path(), 1, timing).await;
    first.found(named("first")).await.unwrap();
    for number in 0..60 {
        first.commit(named(&format!("s{number}"))).await.unwrap();
    }
    let second = wires.open(dir.path(), 2).await;
    first.add_learner(peer(2)).await.unwrap();
    sees(&second, "s59").await;
    assert_eq!(second.view().services().count(), 61);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_changes_and_too_much_is_refused() {
    let (dir, wires) = (tempfile::tempdir().unwrap(), Wires::default());
    let first = wires.open(dir.path(), 1).await;
    first.found(named("first")).await.unwrap();
    first.set_address(1, "10.9.9.9:1".to_owned()).await.unwrap();
    let mut standing = first.standing();
    let moved = standing.wait_for(|standing| {
        standing
            .members
            .iter()
            .any(|member| member.address == "10.9.9.9:1")
    });
    timeout(PATIENCE, moved).await.expect("in time").expect("open");
    let large = named(&"x".repeat(2 << 20));
    assert!(matches!(first.commit(large).await, Err(CommitError::TooLarge(_))));
}

/// A file that was damaged is told from one that can't be reached: the manager must not go on with it, nor without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_called_damaged() {
    async fn open_after(damage: fn(&mut Vec<u8>)) -> Result<Store, OpenError> {
        let dir = tempfile::tempdir().unwrap();
        assert!(!exists(dir.path()));
        let disk = crate::disk::Disk::open(dir.path(), Arc::new(Turned)).unwrap();
        disk.set_vote(&openraft::Vote::default()).unwrap();
        drop(disk);
        assert!(exists(dir.path()));
        let path = dir.path().join("raft.redb");
        let mut bytes = std::fs::read(&path).unwrap();
        damage(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let transport = Arc::new(Line {
            from: 1,
            wires: Wires::default(),
        });
        let me = Member {
            id: 1,
            node: NodeId::from("n1"),
            address: "10.0.0.1:1".to_owned(),
        };
        Store::open(Options::new(
            dir.path().to_owned(),
            Arc::new(Turned),
            me,
            transport,
        ))
        .await
    }

    assert!(open_after(|_| ()).await.is_ok());
    let damages: [fn(&mut Vec<u8>); 3] = [
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.fill(0x5a),
        |bytes| bytes.iter_mut().skip(4096).for_each(|byte| *byte = !*byte),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let opened = open_after(damage).await.map(drop);
        assert!(
            matches!(opened, Err(OpenError::Corrupt(_))),
            "{number}: {opened:?}"
        );
    }
}

#[test]
fn a_file_without_a_byte_is_no_store() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("raft.redb"), "").unwrap();
    assert!(!exists(dir.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_goes_on_alone_with_all_that_it_has_and_those_of_before_cannot_stop_it() {
    let (dir, wires) = (tempfile::tempdir().unwrap(), Wires::default());
    let [first, second, third] = wires.three(dir.path()).await;
    first.commit(named("kept")).await.unwrap();
    sees(&third, "kept").await;
    wires.cut.lock().unwrap().extend([1, 2]);
    third.close().await;
    wires.stores.lock().unwrap().remove(&3);
    drop(third);
    let place = dir.path().join("3");
    let change = || {
        go_on_alone(&place, Arc::new(Turned), |view| {
            assert!(view.service(&"kept".into()).is_some());
            let me = Member {
                id: 4,
                node: "n3".into(),
                address: "10.0.0.3:1".to_owned(),
            };
            Some((me, named("alone")))
        })
    };
    let member = timeout(PATIENCE, async {
        loop {
            match change() {
                Err(OpenError::Busy) => tokio::task::yield_now().await,
                outcome => return outcome,
            }
        }
    });
    assert_eq!(member.await.unwrap().unwrap().id, 4);
    std::fs::rename(&place, dir.path().join("4")).unwrap();
    let alone = wires.open(dir.path(), 4).await;
    let mut standing = alone.standing();
    timeout(PATIENCE, standing.wait_for(|standing| standing.i_lead))
        .await
        .unwrap()
        .unwrap();
    let view = alone.read().await.unwrap();
    for name in ["kept", "alone"] {
        assert!(view.service(&name.into()).is_some(), "{name}");
    }
    // Those of before are back, and may have another leader: what they say is for number 3.
    wires.cut.lock().unwrap().clear();
    let other = leader(&[&first, &second]).await;
    [&first, &second][other].commit(named("theirs")).await.unwrap();
    alone.commit(named("ours")).await.unwrap();
    assert!(alone.view().service(&"theirs".into()).is_none());
    let members: Vec<u64> = alone
        .standing()
        .borrow()
        .members
        .iter()
        .map(|member| member.id)
        .collect();
    assert_eq!(members, [4]);
}

#[tokio::test]
async fn nobody_goes_on_alone_from_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = go_on_alone(dir.path(), Arc::new(Turned), |_| panic!("there is no view"));
    assert!(matches!(outcome, Err(OpenError::Corrupt(_))), "{outcome:?}");
}

/// Who leads gives orders by its view: one that lags would tell boards what has long changed.
#[tokio::test(flavor = "multi_thread")]
async fn who_leads_sees_all_that_was_acknowledged() {
    let (dir, wires) = (tempfile::tempdir().unwrap(), Wires::default());
    let store = wires.open(dir.path(), 1).await;
    store.found(named("first")).await.unwrap();
    for number in 0..300 {
        store.commit(named(&format!("s{number}"))).await.unwrap();
    }
    store.close().await;
    drop(store);
    wires.stores.lock().unwrap().clear();
    let again = wires.reopen(dir.path(), 1).await;
    let mut standing = again.standing();
    timeout(PATIENCE, standing.wait_for(|standing| standing.i_lead))
        .await
        .unwrap()
        .unwrap();
    assert!(again.view().service(&"s299".into()).is_some());
}
