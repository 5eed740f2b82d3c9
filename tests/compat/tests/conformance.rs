//! The recorded sessions, typed on a lab.

use anyhow::{Result, bail};
use bramble_compat::compare::differences;
use bramble_compat::listed::Listed;
use bramble_compat::replay::Replay;
use bramble_compat::session;
use lab::Lab;

const FILES: [(&str, &str); 3] = [
    ("stack.yml", include_str!("../recorded/stack.yml")),
    ("sec.txt", include_str!("../recorded/sec.txt")),
    ("conf.txt", include_str!("../recorded/conf.txt")),
];
const SESSIONS: [&str; 2] = [
    include_str!("../recorded/main.jsonl"),
    include_str!("../recorded/more.jsonl"),
];
/// What is refused on purpose would spoil all that comes after it: then the command is typed again otherwise.
const OTHERWISE: [(&str, &str); 2] = [
    ("--max-snapshots\n1", "--max-snapshots\n0"),
    ("src=v,", "src=vv,"),
];
const LIST: &str = include_str!("../differences.md");

/// One board that waits for `docker swarm init`, as the recorded engine did.
#[test]
fn every_difference_from_dockers_engine_is_listed() -> Result<()> {
    let listed = Listed::read(LIST).map_err(anyhow::Error::msg)?;
    let lab = Lab::prepare_by_hand("compat", 1)?;
    lab.start_all()?;
    let board = lab.board(1);
    lab::wait_for("the board's answer", std::time::Duration::from_secs(60), || {
        Ok(board.api("GET", "/_ping", None).ok().map(drop))
    })?;
    let mut replay = Replay::new(board, &FILES)?;
    let (mut recorded, mut ours) = (Vec::new(), Vec::new());
    for text in SESSIONS {
        for command in session::read(text)? {
            let typed = replay.type_in(&command)?;
            let failed = |one: &session::Command| one.said.as_ref().is_some_and(|said| said.code != 0);
            if failed(&typed) && !failed(&command) {
                retry(&mut replay, &command)?;
            }
            ours.push(typed);
            recorded.push(command);
        }
    }
    let verdict = listed.judge(&differences(&recorded, &ours));
    if verdict.unlisted.is_empty() && verdict.gone.is_empty() {
        return Ok(());
    }
    let list = |lines: &[String]| {
        lines
            .iter()
            .map(|line| format!("- `{line}`\n"))
            .collect::<String>()
    };
    bail!(
        "not listed in tests/compat/differences.md:\n{}\nlisted there, and no longer so:\n{}",
        list(&verdict.unlisted),
        list(&verdict.gone)
    )
}

fn retry(replay: &mut Replay<'_>, command: &session::Command) -> Result<()> {
    let typed = command.args.join("\n");
    let other = OTHERWISE
        .iter()
        .fold(typed.clone(), |line, (part, other)| line.replace(part, other));
    if other != typed {
        let args = other.split('\n').map(str::to_owned).collect();
        replay.type_in(&session::Command {
            args,
            ..command.clone()
        })?;
    }
    Ok(())
}
