//! Commands that people run in containers: known by their ids from `create` until a while after their end.

use super::run::{self, Session};
use super::{Local, Refused};
use model::{LocalContainer, LocalExec, LocalExecState, LocalState};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Commands known at the same time: a bound, not advice.
const MOST: usize = 512;
/// How long an ended one, or one that is never started, can be asked for.
const REST: Duration = Duration::from_secs(300);
/// Longest command line, in bytes (the kernel's for one argument).
const LONGEST: usize = 128 << 10;

/// Commands in this board's containers.
#[derive(Default)]
pub(crate) struct Execs(Mutex<HashMap<String, Arc<Exec>>>);

/// One command.
pub(crate) struct Exec {
    pub id: String,
    pub container: LocalContainer,
    pub wanted: LocalExec,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct State {
    begun: bool,
    pid: u32,
    exit_code: Option<i64>,
    touched: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Execs {
    /// Those that run in a container now.
    pub fn running(&self, container: &str) -> Vec<String> {
        let all = lock(&self.0);
        let runs = |exec: &&Arc<Exec>| exec.container.id == container && exec.runs();
        let mut ids: Vec<String> = all.values().filter(runs).map(|exec| exec.id.clone()).collect();
        ids.sort();
        ids
    }

    /// A container is gone, and all of them with it.
    pub fn forget(&self, container: &str) {
        lock(&self.0).retain(|_, exec| exec.container.id != container);
    }

    fn find(&self, id: &str) -> Result<Arc<Exec>, Refused> {
        let found = lock(&self.0).get(id).cloned();
        found.ok_or_else(|| Refused::NotFound(format!("No such exec instance: {id}")))
    }

    fn add(&self, exec: Exec) -> Result<(), Refused> {
        let mut all = lock(&self.0);
        all.retain(|_, exec| exec.runs() || lock(&exec.state).touched.elapsed() < REST);
        if all.len() >= MOST {
            let oldest = all
                .values()
                .filter(|exec| !exec.runs())
                .min_by_key(|exec| lock(&exec.state).touched);
            let oldest = oldest.map(|exec| exec.id.clone());
            let full = || {
                Refused::Conflict(format!(
                    "{MOST} commands run in this board's containers: that is the most"
                ))
            };
            all.remove(&oldest.ok_or_else(full)?);
        }
        all.insert(exec.id.clone(), Arc::new(exec));
        Ok(())
    }
}

impl Exec {
    fn runs(&self) -> bool {
        let state = *lock(&self.state);
        state.begun && state.exit_code.is_none()
    }

    /// Takes the one turn that there is to start it.
    fn begin(&self) -> Result<(), Refused> {
        let mut state = lock(&self.state);
        let id = &self.id;
        match (state.begun, state.exit_code) {
            (_, Some(_)) => Err(Refused::Conflict(format!("exec command {id} has already run"))),
            (true, None) => Err(Refused::Conflict(format!("exec command {id} is already running"))),
            (false, None) => {
                state.begun = true;
                Ok(())
            }
        }
    }

    /// It runs, as this process.
    pub fn started(&self, pid: u32) {
        lock(&self.state).pid = pid;
    }

    /// It has ended.
    pub fn ended(&self, exit_code: i64) {
        let mut state = lock(&self.state);
        state.exit_code = Some(exit_code);
        state.touched = Instant::now();
    }
}

impl Local {
    /// Notes a command that is to be run in a container; its id.
    ///
    /// # Errors
    /// [`Refused::Conflict`] if the container does not run.
    pub fn create_exec(&self, container: &LocalContainer, wanted: LocalExec) -> Result<String, Refused> {
        may_exec(container)?;
        if wanted.args.first().is_none_or(String::is_empty) {
            return Err(Refused::Invalid("No exec command specified".to_owned()));
        }
        let all = wanted
            .args
            .iter()
            .chain(&wanted.env)
            .chain([&wanted.dir, &wanted.user]);
        if all.clone().map(String::len).sum::<usize>() > LONGEST
            || all.into_iter().any(|word| word.contains('\0'))
        {
            return Err(Refused::Invalid(
                "the command is too long, or has a zero byte in it".to_owned(),
            ));
        }
        let mut random = [0; 32];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random)
            .map_err(|_| Refused::Failed("no random numbers".to_owned()))?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let line = wanted.args.join(" ");
        self.shared.execs.add(Exec {
            id: id.clone(),
            container: container.clone(),
            wanted,
            state: Mutex::new(State {
                begun: false,
                pid: 0,
                exit_code: None,
                touched: Instant::now(),
            }),
        })?;
        self.tell(
            container,
            &format!("exec_create: {line}"),
            &[("execID", id.clone())],
        );
        Ok(id)
    }

    /// Starts a command. Dropping the session leaves it running.
    ///
    /// # Errors
    /// [`Refused::Invalid`] if there is no such program, [`Refused::Conflict`] if it was started before.
    pub async fn start_exec(&self, id: &str, size: Option<(u32, u32)>) -> Result<Session, Refused> {
        let exec = self.shared.execs.find(id)?;
        may_exec(&exec.container)?;
        exec.begin()?;
        let line = exec.wanted.args.join(" ");
        self.tell(
            &exec.container,
            &format!("exec_start: {line}"),
            &[("execID", id.to_owned())],
        );
        match run::start(self, exec.clone()).await {
            Ok(session) => {
                if let Some((height, width)) = size.filter(|_| exec.wanted.tty) {
                    // One that has ended already has no use for it.
                    let _ = self.resize(&exec.container, id, height, width).await;
                }
                Ok(session)
            }
            Err(error) => {
                let not_found = ["not found", "no such file"]
                    .iter()
                    .any(|text| error.to_string().contains(text));
                exec.ended(if not_found { 127 } else { 126 });
                Err(error)
            }
        }
    }

    /// Gives a command's terminal another size.
    ///
    /// # Errors
    /// If there is no such command, or it does not run.
    pub async fn resize_exec(&self, id: &str, height: u32, width: u32) -> Result<(), Refused> {
        let exec = self.shared.execs.find(id)?;
        if !exec.runs() {
            return Err(Refused::Conflict(format!("exec command {id} is not running")));
        }
        self.resize(&exec.container, id, height, width).await
    }

    /// A command and how far it came.
    ///
    /// # Errors
    /// [`Refused::NotFound`]
    pub fn exec(&self, id: &str) -> Result<LocalExecState, Refused> {
        let exec = self.shared.execs.find(id)?;
        let state = *lock(&exec.state);
        Ok(LocalExecState {
            id: exec.id.clone(),
            container: exec.container.id.clone(),
            exec: exec.wanted.clone(),
            running: exec.runs(),
            exit_code: state.exit_code,
            pid: state.pid,
        })
    }
}

fn may_exec(container: &LocalContainer) -> Result<(), Refused> {
    let id = &container.id;
    match container.state {
        LocalState::Running => Ok(()),
        LocalState::Paused => Err(Refused::Conflict(format!(
            "container {id} is paused, unpause the container before exec"
        ))),
        _ => Err(Refused::Conflict(format!("container {id} is not running"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(number: usize) -> Exec {
        Exec {
            id: number.to_string(),
            container: LocalContainer::default(),
            wanted: LocalExec::default(),
            state: Mutex::new(State {
                begun: false,
                pid: 0,
                exit_code: None,
                touched: Instant::now(),
            }),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn commands_are_bounded_and_forgotten() {
        let execs = Execs::default();
        for number in 0..MOST + 5 {
            tokio::time::advance(Duration::from_millis(1)).await;
            execs.add(exec(number)).unwrap();
        }
        assert_eq!(lock(&execs.0).len(), MOST);
        assert!(execs.find("0").is_err());
        let first = execs.find("5").unwrap();
        first.begin().unwrap();
        assert!(matches!(first.begin(), Err(Refused::Conflict(_))));
        tokio::time::advance(REST).await;
        execs.add(exec(9999)).unwrap();
        // Only the one that runs and the new one.
        assert_eq!(lock(&execs.0).len(), 2);
        first.ended(3);
        assert!(matches!(first.begin(), Err(Refused::Conflict(_))));
        assert!(!first.runs());
    }
}
