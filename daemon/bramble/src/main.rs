//! The binary: arguments, configuration, wiring, shutdown. It decides nothing.

mod addresses;
mod backend;
mod board;
mod card_file;
mod config;
mod confirm;
mod daemon;
mod deposit;
mod events;
mod facts;
mod formation;
mod joining;
mod life;
mod lock;
mod member;
mod metrics;
mod names;
mod neighbours;
mod node;
mod quorum;
mod renewal;
mod report;
mod sensors;
mod serial;
mod setup;
mod signs;
mod slot;
mod standing;
mod tcp;
mod uplink;
mod vitals;
mod volumes;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  bramble daemon                                 run this board with the settings of its card
  bramble daemon --config /etc/bramble/my.toml   run it with other settings
  docker -H unix:///run/docker.sock node ls      what a cluster looks like from outside
  bramble context create --role deploy           lets someone deploy from another computer
  bramble update --bundle bramble.raucb          brings a new image onto all boards, one after the other

Everything a cluster does is asked for with the docker command, at the Engine API's socket of any board;
bramble has the few words that the docker command has not.";

/// Turns a handful of boards into one computer.
#[derive(Parser)]
#[command(name = "bramble", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs this board: forms or joins the cluster, runs its tasks, answers the docker command.
    #[command(after_help = "\
Examples:
  bramble daemon
  bramble daemon --card /media/card/bramble.toml
  bramble daemon --config /etc/bramble/bramble.toml --config /etc/bramble/more.toml

A settings file (all keys may be absent):
  cluster = \"home\"                 the cluster to be in; without it the board waits for docker swarm init|join
  join-key = \"…\"                   the same on all cards; boards prove themselves with it. Once a board is in, it is taken off
                                   the card and kept in the state folder; a new one on the card wins
  boards = 3                       how many boards found the cluster together
  hostname = \"kitchen-{serial}\"    shown in docker node ls; {serial}: six digits that differ from board to board
  api = \"/run/docker.sock\"         the Engine API's socket
  api-tls = \"0.0.0.0:2376\"         the same over TCP, to holders of client certificates only (bramble context); \"off\": not
  listen = \"0.0.0.0:2377\"          where other boards reach this one
  advertise = \"eth0\"               the interface or address to be found by
  state-dir = \"/var/lib/bramble\"   what must last
  run-dir = \"/run/bramble\"         what goes with a reboot
  containerd = \"/run/containerd/containerd.sock\"   used if it runs; else the daemon runs its own
  registry-mirror = \"http://10.0.0.2:5000\"         asked first for plain image names
  insecure-registries = [\"10.0.0.0/24\"]            spoken to in plain HTTP
  generic-resources = [\"gpu=a\"]    what services can reserve, kind=name or kind=number
  log = \"info\"
  led = true                       the board's LED shows where it stands
  watchdog = false                 feed /dev/watchdog0: the board starts anew if the daemon hangs (the image switches it on)
  board-root = \"/\"                where the kernel's files about the board are: for tests and odd hardware
  [labels]                         engine.labels.* in constraints
  ssd = \"true\"

On a card, bramble setup reads these too: ssh-keys, timezone, [wifi] ssid, passphrase, country, hidden, and
[network] address, gateway, dns, interface (bramble setup --help).")]
    Daemon {
        /// The card's file, read leniently: what is right in it counts, mistakes are shown where the board is looked at. If
        /// neither it nor --config is given: /boot/firmware/bramble.toml, then /etc/bramble/bramble.toml.
        #[arg(long, value_name = "FILE")]
        card: Option<PathBuf>,
        /// A settings file, read strictly: a mistake in it ends the daemon. May be given several times, later ones win.
        #[arg(long, value_name = "FILE")]
        config: Vec<PathBuf>,
    },
    /// The two systems on this board's card: which one runs, which one starts.
    #[command(after_help = slot::EXAMPLES)]
    Slot(slot::Arguments),
    /// Makes the slot that is on trial the usual one, once the board is healthy; else restarts, back to the old one.
    #[command(after_help = confirm::EXAMPLES)]
    Confirm(confirm::Arguments),
    /// Makes what the card decides of this board, before its network is up: name, addresses, Wi-Fi, ssh, time zone.
    #[command(after_help = setup::EXAMPLES)]
    Setup(setup::Arguments),
    #[command(flatten)]
    Ask(cli::Command),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Daemon { card, config } => done(run(&config::Sources { card, files: config })),
        Command::Slot(arguments) => done(slot::run(&arguments)),
        Command::Confirm(arguments) => done(confirm::run(&arguments)),
        Command::Setup(arguments) => done(log("info").and_then(|()| setup::run(&arguments))),
        Command::Ask(command) => done(cli::run(command)),
    }
}

fn done(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bramble: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(sources: &config::Sources) -> anyhow::Result<()> {
    let mut config = config::Config::read(sources)?;
    if let Err(error) = log(&config.log) {
        if !sources.files.is_empty() {
            return Err(error);
        }
        // Of a card: not worth a board.
        log("info")?;
        config.problems.push(format!("{error:#}"));
    }
    // A board has 1 GB: two workers are enough for what is mostly waiting.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(32)
        .enable_all()
        .build()?;
    let done = runtime.block_on(daemon::run(config));
    // Blocking calls that hang must not keep the process alive.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    done
}

fn log(filter: &str) -> anyhow::Result<()> {
    use anyhow::Context as _;
    // Raft's own messages are for its authors; the store says what a user needs to know.
    let filter = tracing_subscriber::EnvFilter::try_new(format!("{filter},openraft=off"))
        .with_context(|| format!("log = \"{filter}\" is not a filter"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(false)
        .init();
    Ok(())
}
