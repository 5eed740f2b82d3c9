//! What boards said.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::paths::Name;

/// As much of a log's end as is read to show its last lines.
const ENOUGH: u64 = 64 << 10;

/// The last `lines` lines of a file; empty if there is none.
pub fn tail(file: &Path, lines: usize) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = fs::File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(ENOUGH)))?;
        let mut bytes = Vec::new();
        file.take(ENOUGH).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Where the logs of a lab are after it went down.
pub fn kept_logs(lab: &Name) -> PathBuf {
    lab.kept_logs()
}

/// Moves the logs of a lab that goes down to where they are kept, in place of those of its last life.
pub(crate) fn keep(lab: &Name) -> std::io::Result<()> {
    let (from, to) = (lab.logs(), lab.kept_logs());
    if !from.exists() {
        return Ok(());
    }
    if to.exists() {
        fs::remove_dir_all(&to)?;
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::rename(from, to)
}
