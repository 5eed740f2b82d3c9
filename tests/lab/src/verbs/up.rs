//! `cargo lab up`

use std::io::{IsTerminal, Write, stdout};

use anyhow::{Context, Result, ensure};
use clap::Args;
use lab::{Lab, Options, Since, Standing, cargo::daemon_binary};

use super::Which;

/// Make a lab, start its boards and wait until they are a cluster
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo lab up\n  cargo lab up --boards 5 --name five\n  \
    eval $(cargo lab up | grep export)     and `docker node ls` asks the first board"
)]
pub struct Up {
    /// How many boards
    #[arg(long, default_value = "3", value_parser = boards)]
    pub boards: usize,
    /// Let the boards wait for `docker swarm init` and `join`
    #[arg(long)]
    pub by_hand: bool,
    #[command(flatten)]
    pub which: Which,
}

impl Up {
    pub fn run(self) -> Result<()> {
        lab::must_be_free(&self.which.name)?;
        super::setup::Setup {}.run()?;
        super::build::Build {}.run()?;
        let lab = self.make()?;
        println!("export DOCKER_HOST={}", lab.board(1).docker_host());
        Ok(())
    }

    /// Makes the lab, without setting up or building anything.
    pub fn make(self) -> Result<Lab> {
        let daemon = daemon_binary();
        ensure!(
            daemon.is_file(),
            "there is no {}: run `cargo lab build`",
            daemon.display()
        );
        let options = Options {
            by_hand: self.by_hand,
            ..Options::new(self.boards)
        };
        let since = Since::now();
        let lab = Lab::lasting(self.which.name, options)?;
        println!(
            "{:5.1} s  switch, registry and {} boards are there",
            since.seconds(),
            self.boards
        );
        lab.start_all()?;
        if !self.by_hand {
            let mut display = Display::new(since, self.boards);
            let ready = lab.watch_ready(|standing| display.show(standing));
            ready.with_context(|| {
                format!(
                    "the lab is left as it is; `cargo lab down --name {}` ends it",
                    lab.name()
                )
            })?;
        }
        Ok(lab)
    }
}

fn boards(text: &str) -> Result<usize, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=lab::MOST_BOARDS).contains(number));
    number.ok_or_else(|| format!("a lab has 1 to {} boards", lab::MOST_BOARDS))
}

/// One line a board: redrawn on a terminal, else printed when it changes.
struct Display {
    since: Since,
    shown: Vec<Option<(Standing, f64)>>,
    drawn: bool,
}

impl Display {
    fn new(since: Since, boards: usize) -> Self {
        Display {
            since,
            shown: vec![None; boards],
            drawn: false,
        }
    }

    fn show(&mut self, standing: &[Standing]) {
        let now = self.since.seconds();
        let terminal = stdout().is_terminal();
        let mut text = String::new();
        if terminal && self.drawn {
            text.push_str(&format!("\x1b[{}A", standing.len()));
        }
        for (number, (shown, current)) in self.shown.iter_mut().zip(standing).enumerate() {
            let changed = shown.as_ref().is_none_or(|(last, _)| last != current);
            // A board that is ready keeps the time when it became so.
            if changed || *current != Standing::Ready {
                *shown = Some((current.clone(), now));
            }
            let seconds = shown.as_ref().map_or(now, |(_, seconds)| *seconds);
            if terminal {
                text.push_str(&format!(
                    "\x1b[2K{seconds:5.1} s  board-{}  {:.80}\n",
                    number + 1,
                    current.to_string()
                ));
            } else if changed {
                text.push_str(&format!("{seconds:5.1} s  board-{}  {current}\n", number + 1));
            }
        }
        self.drawn = true;
        let mut out = stdout().lock();
        // A closed output is no reason to leave a cluster half made.
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
    }
}
