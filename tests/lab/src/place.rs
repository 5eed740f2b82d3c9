//! The place that a board is: its namespaces, kept by a process that does nothing, and the way to start things in them.
//!
//! The keeper holds the board's host name, mounts and view of the control groups while the daemon comes and goes. `/run` is a
//! fresh tmpfs and `/sys` shows the board's own network, so when the keeper and all others are killed, everything that a
//! board would lose with its power is gone, mounts included.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    cgroups::{Group, hierarchies, mount_script},
    paths,
};

/// Joins control groups (their files come before `--`), then becomes the command after it.
const JOIN: &str = r#"while [ "$1" != -- ]; do echo $$ >"$1" || exit 1; shift; done; shift; exec "$@""#;
/// Tells its process id and becomes the command, with its output in a log. Nobody waits for it: its parent has gone.
const DETACHED: &str = r#"log=$1; shift; echo $$; exec "$@" >>"$log" 2>&1 </dev/null"#;
/// Runs a command in a folder, as entering a mount namespace leads to its root.
const IN_FOLDER: &str = r#"cd "$1" || exit 1; shift; exec "$@""#;

/// Lets go of the machine's own `/sys` and of mounts below `/run`: hidden below the board's, they would still be listed, and
/// would keep other labs' namespaces alive.
const FORGET: &str = r"for at in $(cut -d ' ' -f 5 /proc/self/mountinfo | tac); do
    case $at in /run/*|/sys|/sys/*) umount -l $at 2>/dev/null || :;; esac
done
";

/// Where processes of one board (or of the switch) live.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The name of the network namespace.
    pub netns: String,
    /// The host name; the switch has none of its own.
    pub hostname: Option<String>,
    pub group: Group,
    /// Where the keeper's process id is written.
    pub keeper: PathBuf,
    /// Where output goes.
    pub log: PathBuf,
}

impl Place {
    /// Makes the namespaces, if they are not there. The network namespace must be.
    pub fn open(&self) -> Result<()> {
        if self.keeper_pid().is_some() {
            return Ok(());
        }
        self.group.create()?;
        let hostname = self.hostname.as_deref().unwrap_or_default();
        let script = format!(
            "set -e\n\
             echo {hostname} >/proc/sys/kernel/hostname\n\
             {FORGET}\
             mount -t sysfs sysfs /sys\n\
             mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run\n\
             {}\
             echo $$\n\
             exec sleep infinity >/dev/null 2>&1 </dev/null\n",
            mount_script(&hierarchies()?)
        );
        let mut command = self.joining(true);
        command
            .args(["setsid", "--fork", "nsenter"])
            .arg(self.net())
            .args(["unshare", "--uts", "--mount", "--cgroup"]);
        command.args(["sh", "-c", &script]);
        let pid = self
            .pid_from(&mut command)
            .context("cannot make the board's namespaces")?;
        fs::write(&self.keeper, pid.to_string())?;
        Ok(())
    }

    /// The process that holds the namespaces; `None` when the board is off.
    pub fn keeper_pid(&self) -> Option<i32> {
        self.alive(&self.keeper)
    }

    /// The process named in a file, if it runs and belongs to this place.
    pub fn alive(&self, file: &Path) -> Option<i32> {
        let pid = fs::read_to_string(file).ok()?.trim().parse().ok()?;
        (runs(pid) && self.group.holds(pid)).then_some(pid)
    }

    /// A command that will run in the place, in the folder `dir`, as a child of this process.
    pub fn command(&self, dir: &Path) -> Result<Command> {
        let mut command = self.joining(false);
        command
            .args(self.enter()?)
            .args(["sh", "-c", IN_FOLDER, "sh"])
            .arg(dir);
        Ok(command)
    }

    /// Starts a process that outlives this one and gives its id.
    pub fn start<S: AsRef<OsStr>>(&self, program: &Path, args: &[S]) -> Result<i32> {
        let mut command = self.joining(false);
        command.args(["setsid", "--fork"]).args(self.enter()?);
        command
            .args(["sh", "-c", DETACHED, "sh"])
            .arg(&self.log)
            .arg(program)
            .args(args);
        self.pid_from(&mut command)
    }

    fn joining(&self, first: bool) -> Command {
        let mut command = Command::new("sh");
        let doors = self.group.doors(first || self.hostname.is_none());
        command.args(["-c", JOIN, "sh"]).args(doors).arg("--");
        command
    }

    fn net(&self) -> String {
        format!("--net={}", paths::netns(&self.netns).display())
    }

    fn enter(&self) -> Result<Vec<String>> {
        let mut words = vec!["nsenter".to_owned()];
        if self.hostname.is_some() {
            let pid = self
                .keeper_pid()
                .with_context(|| format!("{} is off", self.netns))?;
            words.extend([
                format!("--target={pid}"),
                "--uts".into(),
                "--mount".into(),
                "--cgroup".into(),
            ]);
        }
        words.push(self.net());
        Ok(words)
    }

    /// Runs a command that writes its id, and then nothing more, to standard output.
    fn pid_from(&self, command: &mut Command) -> Result<i32> {
        let log = fs::File::options().create(true).append(true).open(&self.log)?;
        let output = command.stdin(Stdio::null()).stderr(log).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let Ok(pid) = said.trim().parse() else {
            bail!("it did not start: the end of {} says why", self.log.display());
        };
        Ok(pid)
    }
}

/// Whether a process is there and has not ended.
pub(crate) fn runs(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    // The name before it may contain anything, also brackets.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}
