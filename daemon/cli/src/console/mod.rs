//! `bramble console`: the one screen of a board, on HDMI and on the serial line.
//!
//! ```text
//! GET /bramble/board ──→ view ──render (pure)──→ lines ──update (pure): what has changed──→ the terminal
//! ```
//! It only shows. A key draws the screen anew; without the daemon it says so and goes on.

mod render;
mod screen;
mod view;

use crate::door::Door;
use anyhow::Context as _;
use clap::Args;
use render::{Line, render};
use screen::{Kind, Terminal, update};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;
use view::View;

/// How often the board is asked.
const LOOK: Duration = Duration::from_secs(2);
/// For an answer, before the daemon counts as not answering.
const ANSWER: Duration = Duration::from_secs(5);

pub(crate) const EXAMPLES: &str = "\
Examples:
  bramble console           the board's screen, until Ctrl-C; any key draws it anew
  bramble console --once    once, for a log or a script

Name, addresses, state, cluster, problems, and what to do next. Nothing can be changed here.";

/// What it is told.
#[derive(Args)]
pub struct Console {
    /// Print it once and end.
    #[arg(long)]
    once: bool,
    /// The Engine API's socket; without it that in DOCKER_HOST (unix://…), or /run/docker.sock.
    #[arg(long, value_name = "SOCKET")]
    api: Option<PathBuf>,
}

pub(crate) async fn run(console: Console) -> anyhow::Result<()> {
    let door = Door::new(console.api.unwrap_or_else(crate::socket));
    if console.once {
        let (width, height) = screen::size();
        let text: String = render(&view::look(&door, ANSWER).await, width, height)
            .into_iter()
            .map(|line| line.text + "\n")
            .collect();
        return std::io::stdout().write_all(text.as_bytes()).context("writing");
    }
    show(&door).await
}

async fn show(door: &Door) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut resized = signal(SignalKind::window_change())?;
    let terminal = Terminal::open();
    let kind = Kind::of(&std::env::var("TERM").unwrap_or_default());
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut keys = Some(tokio::io::stdin());
    let mut drawn: Option<Vec<Line>> = None;
    let mut last = screen::size();
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = resized.recv() => drawn = None,
            more = key(&mut keys) => match more {
                true => drawn = None,
                false => keys = None,
            },
            _ = ticks.tick() => {}
        }
        let view = view::look(door, ANSWER).await;
        let size = screen::size();
        if size != last {
            (last, drawn) = (size, None);
        }
        let lines = render(&steady(view, kind), size.0, size.1);
        terminal.write(&update(drawn.as_deref(), &lines, kind))?;
        drawn = Some(lines);
    }
    terminal.close(kind)
}

/// A terminal that can only go on prints all of it again for every change: not for a degree.
fn steady(mut view: View, kind: Kind) -> View {
    if kind == Kind::Dumb
        && let Some(report) = &mut view.report
    {
        report.readings.clear();
    }
    view
}

/// Waits for a key; false when there is nothing to read from any more.
async fn key(keys: &mut Option<tokio::io::Stdin>) -> bool {
    let mut some = [0; 64];
    match keys {
        Some(keys) => keys.read(&mut some).await.is_ok_and(|read| read > 0),
        None => std::future::pending().await,
    }
}
