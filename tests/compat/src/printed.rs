//! What a command printed, without what differs from run to run: ids, times, tokens, addresses, sizes, versions.

use regex::Regex;
use std::sync::LazyLock;

/// What is replaced, in this order.
const REPLACED: [(&str, &str); 19] = [
    (r"\x1b\[[0-9;]*[A-Za-z]", ""),
    (r"%2F[A-Za-z0-9%._-]*docker\.sock|/\S*docker\.sock", "SOCKET"),
    (r"/\S*/(conf|sec)\.txt", "$1.txt"),
    (r"@sha256:[0-9a-f]{64}", ""),
    (r"sha256:[0-9a-f]{64}", "DIGEST"),
    (r"SWMTKN-1-[0-9a-z]{20,}-[0-9a-z]+", "TOKEN"),
    (r"SWMKEY-1-[A-Za-z0-9+/=]+", "KEY"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\d{4}-\d\d-\d\d [\d:.]+ \+0000 utc", "TIME"),
    (
        r"([Ll]ess than a second|[Aa]bout a minute|[Aa]bout an hour|\d+ (seconds?|minutes?|hours?)) ago",
        "AGO",
    ),
    (r"\b[0-9a-z]{25}\b", "ID"),
    (r"^[0-9a-z]{12}( {2,}| \*)", "ID$1"),
    (r#"("ID":"|\.)[0-9a-z]{12}("|@)"#, "${1}ID$2"),
    (r"\b(vm|board-\d)\b", "HOST"),
    (r"\b\d{1,3}(\.\d{1,3}){3}(:\d+)?", "ADDR"),
    (r"\b\d+(\.\d+)?(B|kB|MB|GB|KiB|MiB|GiB)\b", "SIZE"),
    (r"\b\d+\.\d+\.\d+[0-9A-Za-z.+~-]*", "VERSION"),
    (r"\b[A-Za-z0-9+/]{40,}={0,2}", "BASE64"),
    (r"[\s\u{feff}]+", " "),
];

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let compile = |(pattern, with)| Regex::new(pattern).ok().map(|pattern| (pattern, with));
    REPLACED.into_iter().filter_map(compile).collect()
});

/// Lines of a progress display: how many of them there are is chance.
static PROGRESS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(\d+/\d+:|verify: Waiting|overall progress:|active tasks:)").ok());

/// What `top` writes, which the recorded services run.
const TOP: [&str; 5] = ["Mem: ", "CPU: ", "Load average", "PID PPID", " root R"];

/// That an image's digest could not be had, which only says that the recording's engine could reach no registry.
const NO_REGISTRY: [&str; 4] = [
    "could not be accessed on a registry to record",
    "its digest. Each node will access",
    "possibly leading to different nodes running different",
    "versions of the image.",
];

/// Normal lines, sorted. What is JSON as a whole is one line: its shape is compared where it is answered.
pub fn normal(text: &str) -> Vec<String> {
    if serde_json::from_str::<serde_json::Value>(text).is_ok() {
        return vec!["(JSON)".to_owned()];
    }
    let mut inside = false;
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| {
            let pem = inside || line.starts_with("-----BEGIN");
            inside = pem && !line.starts_with("-----END");
            !pem || line.starts_with("-----BEGIN")
        })
        .map(normal_line)
        .filter(|line| !line.is_empty() && !TOP.iter().chain(&NO_REGISTRY).any(|part| line.contains(part)))
        .filter(|line| !PROGRESS.as_ref().is_some_and(|progress| progress.is_match(line)))
        .collect();
    lines.sort();
    if lines
        .iter()
        .any(|line| line.contains('@') || line.starts_with("TIME "))
    {
        // Logs and events: how often a line comes depends on the moment.
        lines.dedup();
    }
    lines
}

fn normal_line(line: &str) -> String {
    let replaced = PATTERNS.iter().fold(line.to_owned(), |line, (pattern, with)| {
        pattern.replace_all(&line, *with).into_owned()
    });
    event(replaced.trim())
}

/// Of an event's attributes only the names count.
fn event(line: &str) -> String {
    let Some((head, attributes)) = line.strip_suffix(')').and_then(|line| line.split_once(" (")) else {
        return line.to_owned();
    };
    if !head.starts_with("TIME ") {
        return line.to_owned();
    }
    let names = attributes.split(", ").filter_map(|pair| pair.split('=').next());
    format!("{head} ({})", names.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_replaced() {
        for (line, normal) in [
            (
                "pbtm4adk1qj5xn6cl5g17uwhp *   vm         Ready     Active         Leader           20.10.24+dfsg1",
                "ID * HOST Ready Active Leader VERSION",
            ),
            (
                "7x190iuy8s42    \\_ web.2     busybox:latest   board-1        Running         Running 4 seconds ago",
                "ID \\_ web.2 busybox:latest HOST Running Running AGO",
            ),
            ("web.2.7x190iuy8s42@vm    | hello 1", "web.2.ID@HOST | hello 1"),
            (" Node Address: 127.0.0.1", "Node Address: ADDR"),
            (" Total Memory: 23.54GiB", "Total Memory: SIZE"),
            (
                "2026-11-23T05:15:39.228253130Z service update m351x8clmk5u2sdksp4jupy4p (name=st_web, updatestate.new=updating)",
                "TIME service update ID (name, updatestate.new)",
            ),
            (
                "    docker swarm join --token SWMTKN-1-0opjn2vw7nh16f2sfn9c24zd9do1kw9je0w6eiq75vtqe4s93y-3zqdoa4i1xd8dr4yhvplt7vbb 127.0.0.1:2377",
                "docker swarm join --token TOKEN ADDR",
            ),
        ] {
            assert_eq!(normal_line(line), normal);
            assert_eq!(normal_line(normal), normal, "twice");
        }
    }

    #[test]
    fn progress_and_certificates_are_left_out() {
        let text = "abc\noverall progress: 0 out of 2 tasks\n1/2:  \nverify: Waiting 1 seconds\n-----BEGIN X-----\nMII\n-----END X-----\n";
        assert_eq!(normal(text), ["-----BEGIN X-----", "abc"]);
        assert_eq!(normal("[\n {}\n]\n"), ["(JSON)"]);
    }
}
