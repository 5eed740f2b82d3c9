//! A node's tasks with an executor that only remembers what it was told.

use crate::{Board, Config};
use async_trait::async_trait;
use exec::{Controller, Error, Executor, LogStream, LogWish, Observation};
use model::{NodeDescription, Task, TaskId, TaskState, Timestamp};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// What all controllers of a test have done, as `verb id`.
#[derive(Clone, Default)]
struct Fake {
    done: Arc<Mutex<Vec<String>>>,
    /// Ends every wait.
    end: Arc<Notify>,
    leftovers: Vec<TaskId>,
    /// What preparing gives.
    trouble: Option<Error>,
}

struct One {
    fake: Fake,
    id: TaskId,
}

impl One {
    fn did(&self, verb: &str) {
        self.fake.done.lock().unwrap().push(format!("{verb} {}", self.id));
    }
}

#[async_trait]
impl Controller for One {
    async fn update(&self, _: &Task) -> Result<(), Error> {
        Ok(())
    }
    async fn prepare(&self) -> Result<(), Error> {
        self.did("prepare");
        self.fake.trouble.clone().map_or(Ok(()), Err)
    }
    async fn start(&self) -> Result<(), Error> {
        self.did("start");
        Ok(())
    }
    async fn wait(&self) -> Result<(), Error> {
        self.did("wait");
        self.fake.end.notified().await;
        Err(Error::Exit {
            code: 3,
            reason: None,
        })
    }
    async fn shutdown(&self) -> Result<(), Error> {
        self.did("shutdown");
        Ok(())
    }
    async fn terminate(&self) -> Result<(), Error> {
        Ok(())
    }
    async fn remove(&self) -> Result<(), Error> {
        self.did("remove");
        Ok(())
    }
    async fn observe(&self) -> Result<Observation, Error> {
        Ok(Observation::default())
    }
}

#[async_trait]
impl Executor for Fake {
    async fn describe(&self) -> Result<NodeDescription, Error> {
        Ok(NodeDescription::default())
    }
    fn controller(&self, task: &Task) -> Arc<dyn Controller> {
        Arc::new(One {
            fake: self.clone(),
            id: task.id.clone(),
        })
    }
    async fn leftovers(&self) -> Result<Vec<TaskId>, Error> {
        Ok(self.leftovers.clone())
    }
    async fn remove_leftover(&self, task: &TaskId) -> Result<(), Error> {
        self.done.lock().unwrap().push(format!("sweep {task}"));
        Ok(())
    }
    fn give(&self, _: model::FileKey, _: Option<exec::File>) {}
    fn keep_files(&self, _: &std::collections::BTreeSet<model::FileKey>) {}
    async fn weave(&self, fabric: Arc<exec::Fabric>) -> Result<(), Error> {
        self.done.lock().unwrap().push(format!("weave {}", fabric.number));
        match fabric.number {
            13 => Err(Error::Temporary("no luck".into())),
            _ => Ok(()),
        }
    }

    async fn logs(&self, _: LogWish) -> Result<LogStream, Error> {
        Ok(Box::pin(futures::stream::empty()))
    }
}

impl Fake {
    fn did(&self, what: &str) -> usize {
        self.done
            .lock()
            .unwrap()
            .iter()
            .filter(|done| *done == what)
            .count()
    }
}

async fn open(dir: &Path, boot: &str, fake: &Fake) -> Board {
    loop {
        let now = Arc::new(|| Timestamp::UNIX_EPOCH);
        let config = Config {
            dir: dir.to_owned(),
            run: dir.to_owned(),
            boot: boot.to_owned(),
            now,
        };
        match Board::open(config, Arc::new(fake.clone())).await {
            Ok(board) => return board,
            // The one before it is being dropped.
            Err(error) if error.to_string().contains("already open") => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

fn task(id: &str, desired: TaskState) -> Task {
    let mut task = Task {
        id: id.into(),
        desired_state: desired,
        ..Task::default()
    };
    task.status.state = TaskState::Assigned;
    task
}

/// Waits until a task has come to a state.
async fn comes_to(board: &Board, id: &str, state: TaskState) {
    let mut changes = board.changes();
    let come = async {
        while !board
            .statuses()
            .iter()
            .any(|(known, status)| known.as_str() == id && status.state == state)
        {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), come)
        .await
        .expect("in time");
}

#[tokio::test]
async fn a_task_runs_and_its_end_is_told() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let board = open(dir.path(), "1", &fake).await;
    board
        .assign(vec![task("t", TaskState::Running)], vec![], true)
        .await
        .unwrap();
    comes_to(&board, "t", TaskState::Running).await;
    fake.end.notify_waiters();
    // The wait may begin after the first call.
    fake.end.notify_one();
    comes_to(&board, "t", TaskState::Failed).await;
    assert_eq!(
        board.statuses()[0].1.err.as_deref(),
        Some("task: non-zero exit (3)")
    );
    assert_eq!(
        board.statuses()[0].1.container_status.as_ref().unwrap().exit_code,
        3
    );
}

#[tokio::test]
async fn a_task_is_shut_down_and_forgotten() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let board = open(dir.path(), "1", &fake).await;
    board
        .assign(vec![task("t", TaskState::Running)], vec![], true)
        .await
        .unwrap();
    comes_to(&board, "t", TaskState::Running).await;
    board
        .assign(vec![task("t", TaskState::Shutdown)], vec![], false)
        .await
        .unwrap();
    comes_to(&board, "t", TaskState::Shutdown).await;
    board.assign(vec![], vec!["t".into()], false).await.unwrap();
    let mut changes = board.changes();
    while !board.statuses().is_empty() {
        changes.changed().await.unwrap();
    }
    assert_eq!(fake.did("remove t"), 1);
}

#[tokio::test]
async fn after_a_restart_a_running_task_is_found_and_after_a_power_cut_it_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = Fake::default();
    let board = open(dir.path(), "1", &first).await;
    board
        .assign(vec![task("t", TaskState::Running)], vec![], true)
        .await
        .unwrap();
    comes_to(&board, "t", TaskState::Running).await;
    board.close().await;
    drop(board);

    let second = Fake::default();
    let board = open(dir.path(), "1", &second).await;
    comes_to(&board, "t", TaskState::Running).await;
    board.close().await;
    drop(board);
    assert_eq!(
        second.did("start t"),
        0,
        "the daemon was restarted, the container was not"
    );

    let third = Fake::default();
    let board = open(dir.path(), "2", &third).await;
    let started = async {
        while third.did("wait t") == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), started)
        .await
        .expect("no manager is needed");
    assert_eq!(
        (
            third.did("remove t"),
            third.did("prepare t"),
            third.did("start t")
        ),
        (1, 1, 1)
    );
    assert_eq!(board.statuses()[0].1.state, TaskState::Running);
}

#[tokio::test]
async fn what_the_whole_list_leaves_out_goes_and_leftovers_are_swept() {
    let (dir, fake) = (
        tempfile::tempdir().unwrap(),
        Fake {
            leftovers: vec!["x".into()],
            ..Fake::default()
        },
    );
    let board = open(dir.path(), "1", &fake).await;
    board
        .assign(
            vec![task("a", TaskState::Running), task("b", TaskState::Running)],
            vec![],
            true,
        )
        .await
        .unwrap();
    comes_to(&board, "b", TaskState::Running).await;
    board
        .assign(vec![task("b", TaskState::Running)], vec![], true)
        .await
        .unwrap();
    let gone = async {
        while board.statuses().len() > 1 || fake.did("sweep x") == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .expect("in time");
    assert_eq!(fake.did("shutdown a"), 1);
    assert_eq!(fake.did("shutdown b"), 0);
}

#[tokio::test(start_paused = true)]
async fn trouble_that_does_not_pass_ends_in_a_rejection() {
    let trouble = Some(Error::Temporary("registry out of reach".to_owned()));
    let (dir, fake) = (
        tempfile::tempdir().unwrap(),
        Fake {
            trouble,
            ..Fake::default()
        },
    );
    let board = open(dir.path(), "1", &fake).await;
    board
        .assign(vec![task("t", TaskState::Running)], vec![], true)
        .await
        .unwrap();
    let mut changes = board.changes();
    while board.statuses()[0].1.state != TaskState::Rejected {
        changes.changed().await.unwrap();
    }
    assert_eq!(
        board.statuses()[0].1.err.as_deref(),
        Some("registry out of reach")
    );
    assert_eq!(fake.did("prepare t"), 6);
}

fn net() -> model::Network {
    let mut network = model::Network {
        id: "net".into(),
        ..model::Network::default()
    };
    network.spec.name = "onet".into();
    network
}

fn fabric(number: u64) -> Arc<exec::Fabric> {
    Arc::new(exec::Fabric {
        number,
        key: None,
        networks: vec![exec::Overlay {
            id: "net".into(),
            name: "onet".into(),
            vni: 4097,
            subnet: [10, 0, 1, 0].into(),
            prefix: 24,
            board: [10, 0, 1, 2].into(),
            internal: false,
            ingress: false,
            encrypted: false,
            mtu: None,
            peers: vec![],
            endpoints: vec![],
            services: vec![],
        }],
        ports: vec![],
    })
}

fn in_net(id: &str) -> Task {
    let mut task = task(id, TaskState::Running);
    task.networks_attachments = Some(vec![model::NetworkAttachment {
        network: net(),
        addresses: Some(vec!["10.0.1.7/24".into()]),
    }]);
    task
}

#[tokio::test(start_paused = true)]
async fn a_task_waits_for_its_networks_and_says_so() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let board = open(dir.path(), "1", &fake).await;
    board.weave(fabric(13)).await;
    board.assign(vec![in_net("t")], vec![], true).await.unwrap();
    let mut changes = board.changes();
    let waits = |board: &Board| board.statuses()[0].1.err.clone();
    while waits(&board).is_none() {
        changes.changed().await.unwrap();
    }
    let err = waits(&board).unwrap();
    assert_eq!(err, "network onet is not on this board yet: no luck");
    assert_eq!(fake.did("prepare t"), 0);
    assert!(fake.did("weave 13") > 1, "it is tried again");
    board.weave(fabric(14)).await;
    comes_to(&board, "t", TaskState::Running).await;
    assert_eq!(board.statuses()[0].1.err, None);
}

#[tokio::test]
async fn after_a_power_cut_networks_are_there_before_tasks_and_without_managers() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let board = open(dir.path(), "1", &fake).await;
    board.weave(fabric(7)).await;
    board.assign(vec![in_net("t")], vec![], true).await.unwrap();
    comes_to(&board, "t", TaskState::Running).await;
    board.close().await;
    drop(board);

    let again = Fake::default();
    let board = open(dir.path(), "2", &again).await;
    comes_to(&board, "t", TaskState::Running).await;
    let done = loop {
        let done = again.done.lock().unwrap().clone();
        if done.iter().any(|what| what == "start t") {
            break done;
        }
        tokio::task::yield_now().await;
    };
    let at = |what: &str| done.iter().position(|done| done == what);
    assert!(
        at("weave 7") < at("start t") && at("weave 7").is_some(),
        "{done:?}"
    );
}
