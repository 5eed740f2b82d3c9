//! What a person sees of a long test: each step with its time, and that something moves while it takes long.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Result;
use lab::{Since, machine::last_line};

/// Between two signs of life, on a terminal and in a log.
const OFTEN: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(30);

/// The steps of a part so far.
#[derive(Debug, Default)]
pub struct Story {
    steps: Vec<(String, f64, bool)>,
    notes: Vec<String>,
}

impl Story {
    /// Does a step. `log` is where a machine's serial port writes, whose last line shows that something moves.
    pub fn step<T>(&mut self, what: &str, log: &Path, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let since = Since::now();
        let ticker = Ticker::start(what.to_owned(), log.to_owned());
        let result = act();
        ticker.end();
        let sign = if result.is_ok() { '✓' } else { '✗' };
        println!("{sign}  {what:60} {:7.1} s", since.seconds());
        self.steps
            .push((what.to_owned(), since.seconds(), result.is_ok()));
        result
    }

    /// Something measured, for the table at the end.
    pub fn note(&mut self, text: String) {
        println!("   {text}");
        self.notes.push(text);
    }

    /// What belongs into the table at the end: what was measured, and the step that failed.
    pub fn lines(&self) -> Vec<String> {
        let failed = self.steps.iter().filter(|(.., good)| !good);
        let failed = failed.map(|(what, seconds, _)| format!("✗ {what} ({seconds:.0} s)"));
        self.notes.iter().cloned().chain(failed).collect()
    }
}

/// Tells how long a step has taken so far.
struct Ticker {
    end: Sender<()>,
    thread: JoinHandle<()>,
}

impl Ticker {
    fn start(what: String, log: PathBuf) -> Self {
        let (end, ended) = channel();
        let terminal = std::io::stdout().is_terminal();
        let thread = thread::spawn(move || {
            let since = Since::now();
            let every = if terminal { OFTEN } else { SELDOM };
            while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let (seconds, line) = (since.seconds(), last_line(&log));
                let text: String = format!("…  {what} {seconds:.0} s  {line}")
                    .chars()
                    .take(110)
                    .collect();
                if terminal {
                    print!("\r\u{1b}[K{text}");
                    // A terminal that is gone sees nothing.
                    let _ = std::io::stdout().flush();
                } else {
                    println!("{text}");
                }
            }
            if terminal {
                print!("\r\u{1b}[K");
            }
        });
        Ticker { end, thread }
    }

    fn end(self) {
        drop(self.end);
        let _ = self.thread.join();
    }
}
