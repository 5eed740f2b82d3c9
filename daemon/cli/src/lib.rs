//! What the docker command has no word for. It comes in by the front door, the Engine API, like the docker command itself, and
//! knows nothing that a client does not.

mod bundle;
mod console;
mod context;
mod door;
mod host;
mod update;

pub use door::Door;

use clap::Subcommand;
use std::path::PathBuf;

/// The Engine API's socket unless something else is said.
const SOCKET: &str = "/run/docker.sock";

/// What can be asked.
#[derive(Subcommand)]
pub enum Command {
    /// Lets people use the cluster from their own computers: bundles for `docker context import`.
    #[command(after_help = context::EXAMPLES)]
    Context {
        /// What to do with them.
        #[command(subcommand)]
        command: context::Context,
        /// The Engine API's socket; without it that in DOCKER_HOST (unix://…), or /run/docker.sock.
        #[arg(long, value_name = "SOCKET", global = true)]
        api: Option<PathBuf>,
    },
    /// Installs an image on all boards of the cluster, one after the other.
    #[command(after_help = update::EXAMPLES)]
    Update(update::Update),
    /// Shows this board on one screen, for HDMI and a serial line: name, addresses, state, problems, what to do next.
    #[command(after_help = console::EXAMPLES)]
    Console(console::Console),
}

/// Does it.
///
/// # Errors
/// What to tell the person who asked.
pub fn run(command: Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match command {
        Command::Context { command, api } => {
            let door = door::Door::new(api.unwrap_or_else(socket));
            runtime.block_on(context::run(command, &door))
        }
        Command::Update(update) => runtime.block_on(Box::pin(update::run(&update))),
        Command::Console(console) => {
            let done = runtime.block_on(console::run(console));
            // A read of keys that never come must not keep the process alive.
            runtime.shutdown_background();
            done
        }
    }
}

/// The Engine API's socket that a person means who names none: that in DOCKER_HOST, else the usual one.
pub fn socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://")
        .map_or_else(|| SOCKET.into(), PathBuf::from)
}
