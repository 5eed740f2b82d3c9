//! `kill -9` at any moment loses nothing that was acknowledged: a child process commits and tells, and is killed in the midst.

#![allow(clippy::unwrap_used, reason = "tests")]

use async_trait::async_trait;
use bramble_store::{Member, Options, Peer, Seal, Store, Transport, TransportError, Verb};
use bytes::Bytes;
use model::{NodeId, Service};
use state::Transaction;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Says to this program that it is the child, and where its store is.
const CHILD: &str = "STORE_TO_WRITE";
/// So often the child is killed, each time after a few more commits than the last.
const KILLS: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// Leaves the bytes as they are: what seals is tested where it is made.
struct Open;

impl Seal for Open {
    fn seal(&self, _: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        Some(plain.to_vec())
    }

    fn open(&self, _: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        Some(sealed.to_vec())
    }
}

/// A cluster of one has nobody to call.
struct Alone;

#[async_trait]
impl Transport for Alone {
    async fn call(&self, _: &Peer, _: Verb, _: Bytes, _: Duration) -> Result<Bytes, TransportError> {
        Err(TransportError::Unreachable("alone".to_owned()))
    }
}

async fn open(dir: &Path) -> Store {
    let me = Member {
        id: 1,
        node: NodeId::from("n1"),
        address: "10.0.0.1:1".to_owned(),
    };
    let mut options = Options::new(dir.to_owned(), Arc::new(Open), me, Arc::new(Alone));
    // Snapshots and purges happen between the commits as well.
    options.timing.snapshot_every = 20;
    options.timing.keep_entries = 5;
    Store::open(options).await.unwrap()
}

fn service(number: u64) -> Transaction {
    let mut service = Service {
        id: format!("s{number}").as_str().into(),
        ..Service::default()
    };
    service.spec.name = format!("service-{number}");
    let mut transaction = Transaction::new();
    transaction.create(service);
    transaction
}

/// Commits one service after the other, and tells each when it is acknowledged.
async fn write(dir: &Path) {
    let store = open(dir).await;
    let view = match store.found(service(0)).await {
        Ok(_) => store.view(),
        // It was founded before. What a read shows has all that was acknowledged, which the view of this moment may not yet.
        Err(_) => {
            assert!(
                store
                    .standing()
                    .wait_for(|standing| standing.i_lead)
                    .await
                    .is_ok()
            );
            store.read().await.unwrap()
        }
    };
    let mut next = u64::try_from(view.services().count()).unwrap();
    loop {
        store.commit(service(next)).await.unwrap();
        println!("acknowledged {next}");
        std::io::stdout().flush().unwrap();
        next += 1;
    }
}

/// Starts a child and kills it when it has told `count` commits. Gives the last number that it told.
fn killed_after(dir: &Path, count: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nothing_acknowledged_is_lost", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines.map_while(Result::ok).filter_map(|line| {
        let number = line.split_once("acknowledged ")?.1;
        number.parse().ok()
    });
    let mut last = None;
    let mut told = told.fuse();
    for number in told.by_ref().take(usize::try_from(count).unwrap()) {
        last = Some(number);
    }
    child.kill().unwrap();
    // What it told before it died was acknowledged too.
    last = told.last().or(last);
    child.wait().unwrap();
    last.expect("the child tells of its commits")
}

#[test]
fn nothing_acknowledged_is_lost() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    if let Some(dir) = std::env::var_os(CHILD) {
        return runtime().block_on(write(Path::new(&dir)));
    }
    let dir = tempfile::tempdir().unwrap();
    for kill in 0..KILLS {
        let last = killed_after(dir.path(), 3 + 5 * kill);
        // The file is free for the next child when this runtime has ended with all that it runs.
        runtime().block_on(async {
            let store = open(dir.path()).await;
            let mut views = store.watch();
            let whole = views.wait_for(|view| {
                (0..=last).all(|n| view.service(&format!("s{n}").as_str().into()).is_some())
            });
            tokio::time::timeout(PATIENCE, whole)
                .await
                .expect("all that was acknowledged")
                .unwrap();
            store.close().await;
        });
    }
}
