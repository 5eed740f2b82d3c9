//! What a card says: mistakes on it, and the join key that does not stay there.

use anyhow::{Context as _, Result};
use bramble_e2e::{PATIENCE, contains, docker};
use lab::{Board, Lab};
use serde_json::Value;
use std::fs;

/// What a board says of itself.
fn report(board: &Board) -> Result<Value> {
    board.api("GET", "/bramble/board", None)?.ok()?.json()
}

/// A card with mistakes still makes a member: what is right on it counts, and the mistakes are told where the board is
/// looked at, and to its neighbours.
#[test]
fn mistakes_do_not_keep_a_board_out() -> Result<()> {
    let lab = Lab::prepare("card", 2)?;
    let (right, wrong) = (lab.board(1), lab.board(2));
    let card = fs::read_to_string(wrong.config())?;
    let mistakes =
        "boardz = 2\ntimezone = \"Europe/Ber\nlisten = 2377\n[labels]\nssd = true\nzone = \"north\"\n";
    fs::write(wrong.config(), format!("{card}{mistakes}"))?;
    lab.start_all()?;
    lab.ready()?;

    let at = card.lines().count();
    let problems = report(wrong)?["Problems"].to_string();
    contains(
        &problems,
        &format!("line {}: unknown key boardz (did you mean boards?)", at + 1),
    )?;
    contains(&problems, &format!("line {}, column", at + 2))?;
    contains(
        &problems,
        &format!("line {}: listen = 2377: must be an address with a port", at + 3),
    )?;
    contains(&problems, "labels.ssd = true: must be a text in quotes")?;
    contains(&fs::read_to_string(wrong.log())?, "did you mean boards?")?;
    assert_eq!(report(right)?["Problems"], serde_json::json!([]));

    // By mDNS.
    lab.wait_for("the neighbour's trouble", PATIENCE, || {
        let seen = report(right)?["Seen"].to_string();
        Ok(seen.contains("unknown key boardz").then_some(()))
    })?;
    let label = "node inspect board-2 --format {{.Description.Engine.Labels.zone}}";
    let told = docker(right, label).or_else(|_| docker(wrong, label))?;
    assert_eq!(told.trim(), "north");

    // Mended, all is well at the next start.
    wrong.stop()?;
    let mended = fs::read_to_string(wrong.config())?.replace(mistakes, "");
    fs::write(wrong.config(), mended)?;
    wrong.start()?;
    lab.ready()?;
    assert_eq!(report(wrong)?["Problems"], serde_json::json!([]));
    Ok(())
}

/// Once boards are in, their join key is off their cards; after all have lost power, they still let a board in by it.
#[test]
fn a_join_key_does_not_stay_on_the_card() -> Result<()> {
    let lab = Lab::prepare("deposit", 3)?;
    let key = fs::read_to_string(lab.board(3).config())?;
    let line = key
        .lines()
        .find(|line| line.starts_with("join-key"))
        .context("a join key")?;
    let has_key = |board: &Board| fs::read_to_string(board.config()).map(|card| card.contains(line));
    for number in [1, 2] {
        lab.board(number).start()?;
    }
    for number in [1, 2] {
        let board = lab.board(number);
        lab.wait_for("the key to be taken off", PATIENCE, || {
            Ok((!has_key(board)?).then_some(()))
        })?;
        contains(&fs::read_to_string(board.config())?, "# join-key: taken off on ")?;
        let kept = board.state_dir().join("join-key.json");
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&kept)?.permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    for number in [1, 2] {
        lab.board(number).power_off()?;
    }
    for number in [1, 2, 3] {
        lab.board(number).start()?;
    }
    lab.ready()?;
    lab.wait_for("the last card's key to be taken off", PATIENCE, || {
        Ok((!has_key(lab.board(3))?).then_some(()))
    })?;
    Ok(())
}
