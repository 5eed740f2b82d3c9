//! The kernel's files below a root.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// So much of a file is read, and so many names of a folder: the kernel's are far smaller.
const MOST_BYTES: u64 = 64 << 10;
const MOST_NAMES: usize = 256;

/// The kernel's files below a root: `/` on a board, a recorded tree in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    root: PathBuf,
}

impl Files {
    /// Those below `root`.
    pub fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Where a file is, given without the leading slash.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(crate) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = File::open(self.path(path)).ok()?;
        file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// What it says, without the ends of lines and of strings; none if that is nothing.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.bytes(path)?).into_owned();
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        Some(text.to_owned()).filter(|text| !text.is_empty())
    }

    pub(crate) fn number<T: FromStr>(&self, path: &str) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    /// A number like `0x1f`.
    pub(crate) fn hex(&self, path: &str) -> Option<u64> {
        hex(&self.text(path)?)
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The names in a folder, sorted, numbers by their value (`hwmon2` before `hwmon10`).
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder))
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<String> = entries
            .take(MOST_NAMES)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort_by_key(|name| (name.len(), name.clone()));
        names
    }

    /// Where a link of the kernel's leads to, as a path below the root.
    pub(crate) fn resolved(&self, path: &str) -> Option<String> {
        let root = self.root.canonicalize().ok()?;
        let target = self.path(path).canonicalize().ok()?;
        target.strip_prefix(root).ok()?.to_str().map(str::to_owned)
    }
}

pub(crate) fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}
