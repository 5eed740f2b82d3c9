//! One board: its power switch, its cable, its daemon, and the ways to talk to it.

use std::{
    fs,
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    cgroups::Group,
    clock::wait_for,
    docker::{self, Running},
    down,
    http::{Request, Response},
    net,
    paths::Name,
    place::{Place, runs},
    ran::{Ran, run},
};

/// How long an answer of the API or of a published port may take.
const ANSWER: Duration = Duration::from_secs(60);
const CALL: Duration = Duration::from_secs(2);
/// How long a daemon may take to end itself: longer than a container's usual grace of 10 s.
const GOODBYE: Duration = Duration::from_secs(40);

/// A board of a [`Lab`](crate::Lab).
#[derive(Debug)]
pub struct Board {
    lab: Name,
    number: usize,
    daemon: PathBuf,
    place: Place,
}

impl Board {
    pub(crate) fn new(lab: &Name, number: usize, daemon: &Path) -> Result<Self> {
        let name = format!("board-{number}");
        let place = Place {
            netns: lab.board(number),
            group: Group::new(lab, &name)?,
            keeper: lab.board_dir(number).join("keeper.pid"),
            log: lab.logs().join(format!("{name}.log")),
            hostname: Some(name),
        };
        Ok(Board {
            lab: lab.clone(),
            number,
            daemon: daemon.to_owned(),
            place,
        })
    }

    /// `board-1` and so on: its host name.
    pub fn name(&self) -> String {
        format!("board-{}", self.number)
    }

    /// Its address on the switch.
    pub fn address(&self) -> std::net::Ipv4Addr {
        net::address(self.number)
    }

    /// The name of its network namespace.
    pub fn netns(&self) -> &str {
        &self.place.netns
    }

    /// The unix socket of its Engine API.
    pub fn socket(&self) -> PathBuf {
        self.lab.real_socket(self.number)
    }

    /// What `DOCKER_HOST` must be to reach it.
    pub fn docker_host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Its configuration file, which may be edited while the daemon is not running.
    pub fn config(&self) -> PathBuf {
        self.lab.board_dir(self.number).join("bramble.toml")
    }

    /// The daemon's state directory.
    pub fn state_dir(&self) -> PathBuf {
        self.lab.board_dir(self.number).join("state")
    }

    /// What the board finds of the kernel's files about itself (`sys/class/thermal/…`): nothing, but for what a test puts there.
    pub fn hardware(&self) -> PathBuf {
        self.lab.hardware(self.number)
    }

    /// Its file system as the board sees it, with a `/run` of its own. `None` when the board is off.
    pub fn root(&self) -> Option<PathBuf> {
        self.place
            .keeper_pid()
            .map(|pid| PathBuf::from(format!("/proc/{pid}/root")))
    }

    /// The file with all that its daemon wrote.
    pub fn log(&self) -> PathBuf {
        self.place.log.clone()
    }

    /// The daemon's process id, if it runs.
    pub fn daemon_pid(&self) -> Option<i32> {
        self.place.alive(&self.pid_file())
    }

    /// CPU time of all that ever ran on the board, in seconds: the daemon, containerd and containers.
    ///
    /// # Errors
    /// When the machine does not count it.
    pub fn cpu_seconds(&self) -> Result<f64> {
        self.place.group.cpu_seconds()
    }

    /// Every process on the board.
    pub fn processes(&self) -> Vec<i32> {
        self.place.group.processes().into_iter().collect()
    }

    /// Switches the board on if it is off, and starts its daemon. Does not wait until it answers.
    ///
    /// # Errors
    /// When the daemon runs already, or cannot be started.
    pub fn start(&self) -> Result<()> {
        if let Some(pid) = self.daemon_pid() {
            bail!("{}'s daemon is running already (process {pid})", self.name());
        }
        self.place.open()?;
        let config = self.config();
        // As a board reads its card: leniently, and it takes the join key off.
        let args = ["daemon".as_ref(), "--card".as_ref(), config.as_os_str()];
        let pid = self.place.start(&self.daemon, &args)?;
        fs::write(self.pid_file(), pid.to_string()).context("cannot note the daemon's process")
    }

    /// Kills the daemon, and nothing else, with SIGKILL. Returns when it is gone.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self) -> Result<()> {
        self.end(Signal::SIGKILL)
    }

    /// Asks the daemon to end (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// When it does not run, or is still there after 40 s.
    pub fn stop(&self) -> Result<()> {
        self.end(Signal::SIGTERM)
    }

    /// Cuts the power: the daemon, containerd and all containers end in one moment, and `/run` and all mounts are lost.
    ///
    /// # Errors
    /// When something would not die.
    pub fn power_off(&self) -> Result<()> {
        down::power_off(&self.lab, &[self.number])
    }

    /// Pulls the network cable, at the switch.
    ///
    /// # Errors
    /// When there is no such cable.
    pub fn cut(&self) -> Result<()> {
        net::plug(&self.lab, self.number, false)
    }

    /// Plugs the network cable in again.
    ///
    /// # Errors
    /// When there is no such cable.
    pub fn heal(&self) -> Result<()> {
        net::plug(&self.lab, self.number, true)
    }

    /// Runs the docker command against this board, for at most two minutes.
    pub fn docker(&self, args: &[&str]) -> Ran {
        docker::limited(&self.docker_host(), &self.docker_config(), args)
    }

    /// Starts a docker command that goes on by itself, such as `service logs -f`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn docker_spawn(&self, args: &[&str]) -> Result<Running> {
        docker::spawn(&self.docker_host(), &self.docker_config(), args)
    }

    /// Asks the Engine API. `path` begins with a slash and may name an API version; a body is sent as JSON.
    ///
    /// # Errors
    /// When there is no answer, or none in HTTP. Every status is an answer.
    pub fn api(&self, method: &str, path: &str, body: Option<&str>) -> Result<Response> {
        let socket = self.socket();
        let stream = UnixStream::connect(&socket)
            .with_context(|| format!("cannot connect to {}", socket.display()))?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        let request = Request::new(method, "docker", path);
        match body {
            Some(body) => request.with("application/json", body.as_bytes()).send(stream),
            None => request.send(stream),
        }
    }

    /// Asks a web server from this board.
    ///
    /// # Errors
    /// When there is no answer within two seconds.
    pub fn get(&self, to: SocketAddr, path: &str) -> Result<Response> {
        get(&self.place.netns, to, path)
    }

    /// Runs a command on the board.
    pub fn sh(&self, command: &[&str]) -> Ran {
        match self.command(command) {
            Ok(mut command) => run(&mut command),
            Err(error) => Ran {
                command: command.join(" "),
                code: None,
                stdout: String::new(),
                stderr: format!("{error:#}"),
            },
        }
    }

    /// A command to run on the board, in this process's folder; `docker` in it talks to this board.
    ///
    /// # Errors
    /// When the board is off.
    pub fn command(&self, command: &[&str]) -> Result<Command> {
        let here = std::env::current_dir().context("no current folder")?;
        let mut whole = self.place.command(&here)?;
        whole.args(command).env("DOCKER_HOST", self.docker_host());
        Ok(whole)
    }

    /// Makes the board's namespaces without starting anything. For tests of the lab itself.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn power_on(&self) -> Result<()> {
        self.place.open()
    }

    fn pid_file(&self) -> PathBuf {
        self.lab.board_dir(self.number).join("daemon.pid")
    }

    fn docker_config(&self) -> PathBuf {
        self.lab.dir().join("docker-config")
    }

    fn end(&self, signal: Signal) -> Result<()> {
        let name = self.name();
        let pid = self
            .daemon_pid()
            .with_context(|| format!("{name}'s daemon does not run"))?;
        match kill(Pid::from_raw(pid), signal) {
            // It ended by itself in this moment.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot send {signal} to {name}'s daemon"));
            }
        }
        wait_for(&format!("{name}'s daemon to end on {signal}"), GOODBYE, || {
            Ok((!runs(pid)).then_some(()))
        })
    }
}

/// Asks a web server from inside of a namespace.
pub(crate) fn get(netns: &str, to: SocketAddr, path: &str) -> Result<Response> {
    let stream = net::connect(netns, to, CALL)?;
    Request::new("GET", &to.to_string(), path).send(stream)
}
