//! `hardware/test`: the scripts for cards and boards, by recorded sessions, and shellcheck of every script in the repository.

use std::process::Command;

#[test]
fn the_scripts_for_cards_and_boards_do_as_recorded() {
    let script = lab::repository().join("hardware/test");
    let done = Command::new(&script).output().expect("hardware/test starts");
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}
