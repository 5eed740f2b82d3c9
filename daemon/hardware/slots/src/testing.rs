//! Programs for tests.

use std::path::Path;
use std::process::Command;

/// Makes a shell script that can be run at once. It is put in place by another process: were its file open for writing in this
/// one, a program started by another test would hold it open too for a moment, and the kernel would not run it.
pub(crate) fn script(path: &Path, body: &str) {
    let folder = path.parent().expect("a folder");
    std::fs::create_dir_all(folder).expect("its folder");
    let text = path.with_extension("text");
    std::fs::write(&text, format!("#!/bin/sh\n{body}\n")).expect("its text");
    let done = Command::new("install")
        .args(["-m", "755"])
        .arg(&text)
        .arg(path)
        .status();
    assert!(done.expect("install").success());
}
