//! Where things lie: the repository, and what belongs to a lab by its name.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Result, bail};

/// A path in `sockaddr_un` has 108 bytes, the last of them zero.
const LONGEST_SOCKET: usize = 107;
/// Folders of `target/lab` that are no lab.
const RESERVED: [&str; 3] = ["images", "logs", "tools"];

/// The repository's top folder, which this crate was built in.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Where all labs keep their files: `target/lab`.
pub(crate) fn labs() -> PathBuf {
    repository().join("target/lab")
}

/// Where programs lie that were unpacked instead of installed.
pub(crate) fn tools() -> PathBuf {
    labs().join("tools")
}

/// Where a network namespace of that name is mounted, as `ip netns` has it.
pub(crate) fn netns(name: &str) -> PathBuf {
    Path::new("/run/netns").join(name)
}

/// A lab's name: what its namespaces, control groups and folders are called after.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name of the namespace with the bridge and the registry.
    pub(crate) fn switch(&self) -> String {
        format!("{self}-switch")
    }

    /// The name of a board's namespace; boards are counted from 1.
    pub(crate) fn board(&self, number: usize) -> String {
        format!("{self}-board-{number}")
    }

    /// The lab's folder, gone after `down`.
    pub(crate) fn dir(&self) -> PathBuf {
        labs().join(&self.0)
    }

    /// A board's folder: configuration, state, socket.
    pub(crate) fn board_dir(&self, number: usize) -> PathBuf {
        self.dir().join(format!("board-{number}"))
    }

    /// The kernel's files about a board.
    pub(crate) fn hardware(&self, number: usize) -> PathBuf {
        self.board_dir(number).join("hardware")
    }

    /// Where the logs of a running lab are.
    pub(crate) fn logs(&self) -> PathBuf {
        self.dir().join("logs")
    }

    /// Where the logs are after `down`.
    pub(crate) fn kept_logs(&self) -> PathBuf {
        labs().join("logs").join(&self.0)
    }

    /// Where a board's API socket is promised to be.
    pub(crate) fn socket(&self, number: usize) -> PathBuf {
        self.board_dir(number).join("docker.sock")
    }

    /// Where it really is: elsewhere if the repository's path is too long for a socket's address. Not below `/run`, which
    /// every board has for itself.
    pub(crate) fn real_socket(&self, number: usize) -> PathBuf {
        let promised = self.socket(number);
        if promised.as_os_str().len() <= LONGEST_SOCKET {
            return promised;
        }
        self.far_sockets().join(format!("{number}.sock"))
    }

    /// The folder of sockets that are not in the lab's own.
    pub(crate) fn far_sockets(&self) -> PathBuf {
        Path::new("/var/lib/bramble-lab").join(&self.0)
    }
}

impl FromStr for Name {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let letter = |c: char| c.is_ascii_lowercase();
        let fits = |c: char| letter(c) || c.is_ascii_digit() || c == '-';
        if !text.starts_with(letter) || !text.chars().all(fits) || text.len() > 20 {
            bail!(
                "{text:?} cannot be a lab's name: use up to 20 of a-z, 0-9 and '-', and begin with a letter"
            );
        }
        if RESERVED.contains(&text) {
            bail!("{text:?} is a folder that all labs share: choose another name");
        }
        Ok(Name(text.to_owned()))
    }
}

impl TryFrom<String> for Name {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_files_and_namespaces() {
        for good in ["lab", "a", "e2e-quorum", "x1"] {
            assert_eq!(good.parse::<Name>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "-a",
            "1a",
            "A",
            "a/b",
            "a b",
            "logs",
            "images",
            "abcdefghijklmnopqrstu",
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sockets_fit_into_an_address() {
        let name: Name = "abcdefghijklmnopqrst".parse().unwrap();
        assert!(name.real_socket(20).as_os_str().len() <= LONGEST_SOCKET);
    }
}
