//! The docker command: where it is, and running it against a board.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use anyhow::{Context, Result};

use crate::{
    paths::tools,
    ran::{Ran, run, typed},
};

/// Seconds after which a docker command that is still waiting has failed.
const LIMIT: &str = "120";
/// As much output of a running command as is kept.
const MOST: usize = 16 << 20;

/// A program on the PATH.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // An ordinary user's PATH on Debian lacks these, where iproute2 and nftables put theirs.
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places
        .map(|dir: PathBuf| dir.join(program))
        .find(|file| file.is_file())
}

/// The docker command: the machine's own, or else the one that `cargo lab setup` unpacked.
pub fn docker_command() -> PathBuf {
    on_path("docker").unwrap_or_else(|| tools().join("docker/usr/bin/docker"))
}

/// A docker command that sees none of the user's own settings.
fn prepare(mut command: Command, host: &str, config: &Path, args: &[&str]) -> Command {
    for theirs in [
        "DOCKER_CONTEXT",
        "DOCKER_TLS",
        "DOCKER_TLS_VERIFY",
        "DOCKER_CERT_PATH",
        "DOCKER_API_VERSION",
    ] {
        command.env_remove(theirs);
    }
    command
        .env("DOCKER_HOST", host)
        .env("DOCKER_CONFIG", config)
        .args(args);
    command
}

pub(crate) fn limited(host: &str, config: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=2", LIMIT]).arg(docker_command());
    let mut ran = run(&mut prepare(command, host, config, args));
    if ran.code == Some(124) {
        ran.stderr.push_str(&format!("(ended after {LIMIT} s)\n"));
    }
    ran.command = format!("DOCKER_HOST={host} docker {}", shown(args));
    ran
}

pub(crate) fn spawn(host: &str, config: &Path, args: &[&str]) -> Result<Running> {
    let command = prepare(Command::new(docker_command()), host, config, args);
    Running::start(command, format!("docker {}", shown(args)))
}

fn shown(args: &[&str]) -> String {
    let mut command = Command::new("docker");
    command.args(args);
    typed(&command).split_off("docker ".len().min(typed(&command).len()))
}

/// A command that goes on by itself, with its output collected. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    fn start(mut command: Command, shown: String) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{shown}`"))?;
        let said = Arc::new(Mutex::new(String::new()));
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(collect(stdout, Arc::clone(&said)));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(collect(stderr, Arc::clone(&said)));
        }
        Ok(Running { child, said, readers })
    }

    /// What it wrote so far, both outputs mixed.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its exit code if it has ended (-1 after a signal).
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn ended(&mut self) -> Result<Option<i32>> {
        Ok(self.child.try_wait()?.map(|status| status.code().unwrap_or(-1)))
    }

    /// Ends it and gives all that it wrote.
    pub fn stop(mut self) -> String {
        self.finish();
        self.said()
    }

    fn finish(&mut self) {
        // Both fail only if it has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.finish();
    }
}

fn collect(mut from: impl Read + Send + 'static, said: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() < MOST {
                said.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::wait_for;
    use std::time::Duration;

    #[test]
    fn what_a_running_command_says_can_be_seen_before_it_ends() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo hello; exec sleep 1000"]);
        let mut running = Running::start(command, "sh".into()).unwrap();
        wait_for("hello", Duration::from_secs(10), || {
            Ok((running.said() == "hello\n").then_some(()))
        })
        .unwrap();
        assert_eq!(running.ended().unwrap(), None);
        assert_eq!(running.stop(), "hello\n");
    }

    #[test]
    fn arguments_are_shown_as_typed() {
        assert_eq!(shown(&["service", "create", "a b"]), "service create 'a b'");
        assert_eq!(shown(&[]), "");
    }
}
