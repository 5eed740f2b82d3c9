//! Cards as hardware/flash writes them, from its recorded sessions: the board takes all of each.

use std::{fs, path::Path};

/// The cards that a recorded session shows.
fn cards(session: &str) -> Vec<String> {
    let written = session.split("# Written by hardware/flash").skip(1);
    let ends = |line: &&str| !line.starts_with("# ") && !line.starts_with("$ ");
    written
        .map(|card| {
            format!(
                "#{}",
                card.split_inclusive('\n').take_while(ends).collect::<String>()
            )
        })
        .collect()
}

#[test]
fn a_board_takes_all_that_flash_writes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../hardware/recorded");
    let mut seen = 0;
    for entry in fs::read_dir(folder).expect("recorded sessions") {
        let session = fs::read_to_string(entry.expect("an entry").path()).expect("a text");
        for text in cards(&session) {
            let reading = bramble_card::read(&text);
            assert!(reading.problems.is_empty(), "{:?} in {text}", reading.problems);
            assert!(reading.card.timezone.is_some(), "{text}");
            seen += 1;
        }
    }
    assert!(seen >= 5, "only {seen} cards were recorded");
}
