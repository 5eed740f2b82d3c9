//! How an update is shown: a table that changes on a terminal, else a line for each news.

use super::step::{Board, Cluster};
use model::Availability;
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

/// Shows an update to whoever watches.
pub(crate) struct Show {
    terminal: bool,
    /// Lines of the table that stands on the terminal.
    standing: usize,
    said: BTreeMap<String, String>,
}

impl Show {
    /// On standard output.
    pub fn new() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            standing: 0,
            said: BTreeMap::new(),
        }
    }

    /// The cluster, and what is being done to one board.
    pub fn tell(&mut self, cluster: &Cluster, wanted: &str, now: Option<(&str, &str)>) {
        let doing = |board: &Board| match now {
            Some((id, doing)) if id == board.id => doing.to_owned(),
            _ => rest(board, wanted),
        };
        if self.terminal {
            let rows: Vec<[String; 4]> = cluster
                .in_turn()
                .into_iter()
                .map(|board| {
                    [
                        board.name.clone(),
                        role(board).to_owned(),
                        version(board),
                        doing(board),
                    ]
                })
                .collect();
            self.draw(&table(&rows));
        } else {
            for board in cluster.in_turn() {
                self.line(&board.name, &doing(board));
            }
        }
        let _ = std::io::stdout().flush();
    }

    /// Something that is no board's.
    pub fn note(&mut self, what: &str) {
        // Below the table, which is drawn anew after it.
        self.standing = 0;
        self.line("", what);
    }

    fn line(&mut self, name: &str, what: &str) {
        // The percents of a transfer are for terminals.
        let news = what.split(':').next().unwrap_or(what).to_owned();
        if self.said.get(name) != Some(&news) {
            self.said.insert(name.to_owned(), news);
            match name {
                "" => println!("{what}"),
                name => println!("{name}: {what}"),
            }
        }
    }

    fn draw(&mut self, lines: &[String]) {
        if self.standing > 0 {
            // Up to the table's first line.
            print!("\x1b[{}A", self.standing);
        }
        for line in lines {
            println!("\r{line}\x1b[K");
        }
        self.standing = lines.len();
    }
}

fn role(board: &Board) -> &'static str {
    match (board.leader, board.manager) {
        (true, _) => "leader",
        (_, true) => "manager",
        _ => "worker",
    }
}

fn version(board: &Board) -> String {
    board.version.clone().unwrap_or_else(|| "-".to_owned())
}

/// What a board that nothing is being done to is like.
fn rest(board: &Board, wanted: &str) -> String {
    let mut words = match (board.is_at(wanted), board.ready) {
        (true, _) => "up to date".to_owned(),
        (false, true) => "waits".to_owned(),
        (false, false) => "does not answer".to_owned(),
    };
    if board.mark.is_none() && board.availability != Availability::Active {
        words.push_str(match board.availability {
            Availability::Drain => ", drained",
            _ => ", paused",
        });
    }
    words
}

/// Rows in columns; the last one is not filled up.
fn table(rows: &[[String; 4]]) -> Vec<String> {
    let head = ["NAME", "ROLE", "VERSION", "STATE"].map(str::to_owned);
    let all: Vec<&[String; 4]> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| {
        all.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let (name, role, version) = (width(0), width(1), width(2));
    all.iter()
        .map(|[a, b, c, d]| format!("{a:<name$}  {b:<role$}  {c:<version$}  {d}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let row = |name: &str, state: &str| [name, "worker", "2026.11", state].map(str::to_owned);
        let lines = table(&[row("kitchen", "up to date"), row("a", "waits")]);
        assert_eq!(
            lines,
            [
                "NAME     ROLE    VERSION  STATE",
                "kitchen  worker  2026.11  up to date",
                "a        worker  2026.11  waits"
            ]
        );
    }
}
