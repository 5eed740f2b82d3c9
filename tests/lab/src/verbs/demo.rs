//! `cargo lab demo`

use anyhow::{Context, Result};
use clap::Args;
use lab::Since;

use super::{Which, build::Build, session, setup::Setup, up::Up};

/// From a fresh clone to three boards that run services: sets up, builds, starts and shows
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cargo lab demo\n  cargo lab demo --name show")]
pub struct Demo {
    #[command(flatten)]
    which: Which,
}

impl Demo {
    pub fn run(self) -> Result<()> {
        let since = Since::now();
        let name = self.which.name.clone();
        lab::must_be_free(&name)?;
        heading(since, "what this machine lacks");
        Setup {}.run()?;
        heading(since, "the daemon");
        Build {}.run()?;
        heading(since, "images, a switch, a registry and three boards");
        let lab = Up {
            boards: 3,
            by_hand: false,
            which: self.which,
        }
        .make()?;
        heading(since, "a session with the docker command");
        let shown = session::show(&lab, since);
        let docker = lab::docker_command();
        println!("\nThe cluster is up. To use it yourself:\n");
        println!("    export DOCKER_HOST={}", lab.board(1).docker_host());
        println!(
            "    {} node ls",
            if docker.is_absolute() && !on_path(&docker) {
                docker.display().to_string()
            } else {
                "docker".into()
            }
        );
        println!("    cargo lab power-off board-2 --name {name}      # and what else `cargo lab --help` has");
        println!("\nTo end it:\n\n    cargo lab down --name {name}");
        shown.context("the session failed; the cluster was left as it is")
    }
}

/// Whether a person can call it by its bare name.
fn on_path(program: &std::path::Path) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| Some(dir.as_path()) == program.parent())
}

fn heading(since: Since, what: &str) {
    println!("\n[{:6.1} s] {what}", since.seconds());
}
