//! What runs in a container: as `ps -ef` tells it, from `/proc`; other columns come from the board's own `ps`.

use super::refused::not_running;
use super::{Local, Refused};
use containerd_client::services::v1::ListPidsRequest;
use model::{LocalContainer, LocalProcesses, LocalState, Timestamp};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

/// For `ps` to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The kernel's ticks in a second.
const TICKS: u64 = 100;

impl Local {
    /// What runs in a container; `args` are those of `ps`.
    ///
    /// # Errors
    /// [`Refused::Conflict`] if it does not run, [`Refused::Invalid`] for arguments that can't be.
    pub async fn processes(&self, container: &LocalContainer, args: &str) -> Result<LocalProcesses, Refused> {
        let id = &container.id;
        if !matches!(container.state, LocalState::Running | LocalState::Paused) {
            return Err(Refused::Conflict(format!("container {id} is not running")));
        }
        let request = ListPidsRequest {
            container_id: id.clone(),
        };
        let answer = self
            .shared
            .client
            .tasks()
            .list_pids(request)
            .await
            .map_err(not_running(id))?;
        let pids: BTreeSet<u32> = answer
            .into_inner()
            .processes
            .iter()
            .map(|process| process.pid)
            .collect();
        let shown = match args.trim() {
            "" | "-ef" => tokio::task::spawn_blocking(move || own(Path::new("/"), &pids, Timestamp::now()))
                .await
                .map_err(|error| Refused::Failed(error.to_string()))?,
            args => boards(args, &pids).await?,
        };
        self.tell(container, "top", &[]);
        Ok(shown)
    }
}

/// The columns of `ps -ef`.
fn own(root: &Path, pids: &BTreeSet<u32>, now: Timestamp) -> LocalProcesses {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let users = names(&read("etc/passwd"));
    let uptime: f64 = read("proc/uptime")
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0.0);
    let titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
    let row = |pid: &u32| {
        let stat = read(&format!("proc/{pid}/stat"));
        // The name is in brackets and may hold anything.
        let (before, after) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after.split_whitespace().collect();
        let field = |at: usize| {
            fields
                .get(at)
                .and_then(|word| word.parse::<u64>().ok())
                .unwrap_or(0)
        };
        let status = read(&format!("proc/{pid}/status"));
        let uid = status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
        let uid = uid.unwrap_or("0").to_owned();
        let (used, begun) = ((field(11) + field(12)) / TICKS, field(19) / TICKS);
        let age = (uptime as u64).saturating_sub(begun);
        let command = read(&format!("proc/{pid}/cmdline"))
            .trim_end_matches('\0')
            .replace('\0', " ");
        let name = before.split_once('(').map_or("", |(_, name)| name);
        Some(vec![
            users.get(&uid).cloned().unwrap_or(uid),
            pid.to_string(),
            field(1).to_string(),
            (used * 100).checked_div(age).unwrap_or(0).min(99).to_string(),
            begin(now, age),
            terminal(field(4)),
            format!("{:02}:{:02}:{:02}", used / 3600, used / 60 % 60, used % 60),
            if command.is_empty() {
                format!("[{name}]")
            } else {
                command
            },
        ])
    };
    LocalProcesses {
        titles: titles.map(str::to_owned).into(),
        rows: pids.iter().filter_map(row).collect(),
    }
}

/// When it began: the hour on its first day, the date after that.
fn begin(now: Timestamp, age: u64) -> String {
    let age = i64::try_from(age).unwrap_or(0);
    let at = Timestamp::from_second(now.as_second() - age).unwrap_or(now);
    let format = if age < 24 * 3600 { "%H:%M" } else { "%b%d" };
    at.strftime(format).to_string()
}

/// A terminal's name by its device number.
fn terminal(device: u64) -> String {
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00);
    match major {
        0 => "?".to_owned(),
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 => format!("tty{minor}"),
        _ => format!("{major}:{minor}"),
    }
}

/// User names by number.
fn names(passwd: &str) -> HashMap<String, String> {
    let line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.to_owned(), name))
    };
    passwd.lines().filter_map(line).collect()
}

/// The board's own `ps`, of which only the container's lines are shown (Docker's way).
async fn boards(args: &str, pids: &BTreeSet<u32>) -> Result<LocalProcesses, Refused> {
    let words: Vec<&str> = args.split_whitespace().collect();
    let ran = tokio::process::Command::new("ps")
        .args(&words)
        .kill_on_drop(true)
        .stdin(std::process::Stdio::null())
        .output();
    let ran = tokio::time::timeout(PATIENCE, ran).await;
    let ran = ran.map_err(|_| Refused::Failed("ps does not answer".to_owned()))?;
    let ran =
        ran.map_err(|error| Refused::Unimplemented(format!("this board has no ps for \"{args}\": {error}")))?;
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
        return Err(Refused::Invalid(format!("error running ps: {said}")));
    }
    chosen(&String::from_utf8_lossy(&ran.stdout), pids)
}

fn chosen(said: &str, pids: &BTreeSet<u32>) -> Result<LocalProcesses, Refused> {
    let mut lines = said.lines();
    let titles: Vec<String> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let at = titles.iter().position(|title| title == "PID");
    let at = at.ok_or_else(|| Refused::Invalid("couldn't find PID field in ps output".to_owned()))?;
    let last = titles.len().saturating_sub(1);
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ours = words.get(at)?.parse().is_ok_and(|pid| pids.contains(&pid));
        let mut row: Vec<String> = words.iter().take(last).map(|word| (*word).to_owned()).collect();
        row.push(words.get(last..).unwrap_or_default().join(" "));
        ours.then_some(row)
    };
    Ok(LocalProcesses {
        rows: lines.filter_map(row).collect(),
        titles,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_ps() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("etc/passwd", "root:x:0:0::/:/bin/sh\n");
        put("proc/uptime", "1000.5 1\n");
        put(
            "proc/9/stat",
            "9 (a) b) S 3 9 9 34816 9 0 0 0 0 0 120 80 0 0 20 0 1 0 90000 0 0",
        );
        put("proc/9/status", "Name:\ta\nUid:\t0\t0\t0\t0\n");
        put("proc/9/cmdline", "sh\0-c\0top\0");
        let now = "2026-01-02T03:04:00Z".parse().unwrap();
        let shown = own(root.path(), &BTreeSet::from([9, 10]), now);
        assert_eq!(
            shown.rows,
            [["root", "9", "3", "2", "03:02", "pts/0", "00:00:02", "sh -c top"]]
        );
    }

    #[test]
    fn only_the_containers_lines_are_shown() {
        let said = "  PID USER CMD\n    1 root init\n   12 web sh -c a  b\n";
        let shown = chosen(said, &BTreeSet::from([12])).unwrap();
        assert_eq!(shown.rows, [["12", "web", "sh -c a b"]]);
        assert!(matches!(
            chosen("USER\nroot\n", &BTreeSet::new()),
            Err(Refused::Invalid(_))
        ));
    }
}
