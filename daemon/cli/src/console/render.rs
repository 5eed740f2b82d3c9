//! The screen's text. Pure: the same view gives the same lines.

use super::view::View;
use model::{BoardReport, BoardSeen, BoardState};

/// Boards in sight that are named.
const NAMED: usize = 8;
/// Where values begin.
const COLUMN: usize = 13;

/// A line of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// No longer than the screen is wide; no control characters.
    pub text: String,
    /// To be seen first.
    pub strong: bool,
}

/// The screen for a view: at most `height` lines of at most `width` characters.
pub(crate) fn render(view: &View, width: usize, height: usize) -> Vec<Line> {
    let mut page = Page {
        width: width.max(20),
        lines: Vec::new(),
    };
    page.head(view);
    let mut advice = Page {
        width: page.width,
        lines: Vec::new(),
    };
    advice.blank();
    advice.strong("What next");
    for text in next(view) {
        advice.wrapped("  ", &text, false);
    }
    let room = height.saturating_sub(page.lines.len() + advice.lines.len());
    page.problems(&view.problems, room);
    page.lines.append(&mut advice.lines);
    page.lines.truncate(height);
    page.lines
}

struct Page {
    width: usize,
    lines: Vec<Line>,
}

impl Page {
    fn head(&mut self, view: &View) {
        let title = match view.report.as_ref().and_then(|report| report.model.as_deref()) {
            Some(model) => format!("{}  -  {model}", view.name),
            None => format!("{}  -  bramble", view.name),
        };
        self.strong(&title);
        self.blank();
        self.row("State", &state(view));
        let addresses = match view.addresses.is_empty() {
            true => "none yet: no cable, no Wi-Fi, or no answer from the network".to_owned(),
            false => view.addresses.join("  "),
        };
        self.row("Address", &addresses);
        let Some(report) = &view.report else { return };
        if let Some(cluster) = &report.cluster {
            self.row("Cluster", &format!("{cluster}{}", counts(report)));
        }
        if !report.seen.is_empty() {
            self.row("In sight", &sight(&report.seen));
        }
        if let Some(tasks) = &report.tasks {
            self.row("Tasks", &format!("{} of {} run", tasks.running, tasks.wanted));
        }
        let temperature = report
            .readings
            .get("TemperatureCelsius")
            .and_then(serde_json::Value::as_f64);
        if let Some(temperature) = temperature {
            self.row("Temperature", &format!("{temperature:.0} C"));
        }
        let system = &report.system;
        let image = system
            .image
            .as_ref()
            .map(|image| format!(", image {image}"))
            .unwrap_or_default();
        self.row("System", &format!("bramble {}{image}", system.version));
    }

    /// In no more than `room` lines.
    fn problems(&mut self, problems: &[String], room: usize) {
        if problems.is_empty() || room < 3 {
            return;
        }
        let most = self.lines.len() + room;
        self.blank();
        self.strong("Problems");
        for (number, problem) in problems.iter().enumerate() {
            let before = self.lines.len();
            self.wrapped("  ", problem, true);
            let last = number + 1 == problems.len();
            if self.lines.len() > most || (self.lines.len() == most && !last) {
                self.lines.truncate(before.min(most - 1));
                let more = problems.len() - number;
                self.line(
                    &format!("  and {more} more: bramble.toml, GET /bramble/board"),
                    false,
                );
                return;
            }
        }
    }

    fn row(&mut self, name: &str, value: &str) {
        let start = self.lines.len();
        self.wrapped(&" ".repeat(COLUMN), value, false);
        if let Some(first) = self.lines.get_mut(start) {
            let rest: String = first.text.chars().skip(COLUMN).collect();
            first.text = format!("{name:<COLUMN$}{rest}");
        }
    }

    /// Words on as many lines as they take, all after an indent; a word longer than a line is cut.
    fn wrapped(&mut self, indent: &str, text: &str, strong: bool) {
        let room = self.width.saturating_sub(indent.len()).max(1);
        let mut line = String::new();
        for word in plain(text).split(' ').filter(|word| !word.is_empty()) {
            let word: String = word.chars().take(room).collect();
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                self.line(&format!("{indent}{line}"), strong);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        self.line(&format!("{indent}{line}"), strong);
    }

    fn line(&mut self, text: &str, strong: bool) {
        let text: String = plain(text).chars().take(self.width).collect();
        self.lines.push(Line {
            text: text.trim_end().to_owned(),
            strong,
        });
    }

    fn strong(&mut self, text: &str) {
        self.line(text, true);
    }

    fn blank(&mut self) {
        self.line("", false);
    }
}

/// Names and mistakes come from outside: nothing in them may steer the terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn state(view: &View) -> String {
    let Some(report) = &view.report else {
        return format!("the daemon does not answer ({})", view.silence);
    };
    match report.state {
        BoardState::Idle => "in no cluster".to_owned(),
        BoardState::Searching => match report.expected {
            Some(expected) => format!(
                "forming: {} of {expected} boards are here",
                here(report).min(expected)
            ),
            None => format!("looking for its cluster; {} such boards are here", here(report)),
        },
        BoardState::Worker => "worker: runs tasks".to_owned(),
        BoardState::Manager => "manager".to_owned(),
        BoardState::Leader => "leader: decides for the cluster".to_owned(),
        BoardState::Trouble => "TROUBLE: see below".to_owned(),
        BoardState::Locked => "locked: keys are sealed, tasks run".to_owned(),
    }
}

/// This board and those in sight that are of its cluster or want to be.
fn here(report: &BoardReport) -> usize {
    let ours = |seen: &&BoardSeen| seen.cluster == report.cluster && seen.role != "left";
    1 + report.seen.iter().filter(ours).count()
}

fn counts(report: &BoardReport) -> String {
    let of = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    match (report.nodes, report.managers) {
        (Some(nodes), Some(managers)) => format!(" ({}, {})", of(nodes, "board"), of(managers, "manager")),
        (None, Some(managers)) => format!(" ({})", of(managers, "manager")),
        _ => String::new(),
    }
}

fn sight(seen: &[BoardSeen]) -> String {
    let one = |seen: &BoardSeen| {
        let trouble = if seen.trouble.is_some() { ", trouble" } else { "" };
        format!("{} ({}{trouble})", seen.name, seen.role)
    };
    let mut text = seen.iter().take(NAMED).map(one).collect::<Vec<_>>().join(", ");
    if seen.len() > NAMED {
        text.push_str(&format!(", and {} more", seen.len() - NAMED));
    }
    text
}

/// What a person before the board can do.
fn next(view: &View) -> Vec<String> {
    let address = view.addresses.first().map_or("ADDRESS", String::as_str);
    let docker = |words: &str| format!("docker -H ssh://root@{address} {words}");
    let mut all = Vec::new();
    let mut login = true;
    match view.report.as_ref().map(|report| report.state) {
        None => {
            all.push("It is started again by itself. If it stays so: journalctl -u bramble".to_owned());
        }
        Some(BoardState::Idle) => {
            all.push("Put cluster = \"NAME\" and join-key = \"...\" into bramble.toml on the card, the same on all cards,".to_owned());
            all.push(format!("or: {}", docker("swarm init")));
        }
        Some(BoardState::Searching) => {
            all.push(
                "Switch on the other boards. Their cards have the same cluster and join-key.".to_owned(),
            );
            login = false;
        }
        Some(BoardState::Worker) => all.push(ask_a_manager(view)),
        Some(BoardState::Manager | BoardState::Leader) => {
            all.push(docker("node ls"));
            all.push(docker("service create --name web --publish 80:80 nginx"));
        }
        Some(BoardState::Locked) => all.push(docker("swarm unlock")),
        Some(BoardState::Trouble) => all.push(
            "The problems say what is missing; the board goes on by itself once it is there.".to_owned(),
        ),
    }
    if login && view.ssh {
        all.push(format!("ssh root@{address}"));
    } else if login {
        all.push(
            "To log in, put ssh-keys = [\"ssh-ed25519 ...\"] into bramble.toml on the card and start again."
                .to_owned(),
        );
    }
    all
}

fn ask_a_manager(view: &View) -> String {
    let seen = view.report.iter().flat_map(|report| &report.seen);
    match seen.into_iter().find(|seen| seen.role == "manager") {
        Some(manager) => format!(
            "Ask a manager, such as {}: docker -H ssh://root@{} node ls",
            manager.name, manager.name
        ),
        None => "Ask a manager: docker -H ssh://root@MANAGER node ls".to_owned(),
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
