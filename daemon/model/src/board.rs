//! What a board says of itself: to whoever stands before it (`GET /bramble/board`), and to the leader when it is not well.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// This board, as `GET /bramble/board` answers.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BoardReport {
    /// Its host name.
    pub name: String,
    /// Such as `Raspberry Pi 4 Model B Rev 1.4`; absent on what is no Pi.
    pub model: Option<String>,
    /// The board's serial number, if it has one.
    pub serial: Option<String>,
    /// Its own addresses, without ports, the one that others are told of first.
    pub addresses: Vec<String>,
    /// Where it stands.
    pub state: BoardState,
    /// The name of the cluster that it is in or looks for; absent if there is none.
    pub cluster: Option<String>,
    /// Its node id, of a member.
    #[serde(rename = "NodeID")]
    pub node_id: Option<String>,
    /// How many nodes the cluster has, as far as this board knows (managers do).
    pub nodes: Option<usize>,
    /// How many managers the cluster has, as far as this board knows.
    pub managers: Option<usize>,
    /// How many boards are to found the cluster together, if the card says so.
    pub expected: Option<usize>,
    /// Other boards that announce themselves on the LAN, by name; no more than 64 are told.
    pub seen: Vec<BoardSeen>,
    /// What is wrong, a sentence each, the worst first; empty if all is well.
    pub problems: Vec<String>,
    /// Tasks that are to run here, and how many do; absent of a board in no cluster.
    pub tasks: Option<BoardTasks>,
    /// Newest readings of its sensors, by name: the name says the unit; what is not there is not known.
    pub readings: serde_json::Map<String, serde_json::Value>,
    /// What runs on it.
    pub system: BoardSystem,
}

/// How a board does what it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BoardTasks {
    /// Tasks that are to run on it.
    pub wanted: usize,
    /// Those of them that run, or have done their work.
    pub running: usize,
}

/// Another board, as it announces itself: a hint, not a proof.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BoardSeen {
    /// Its host name.
    pub name: String,
    /// The cluster that it is in or looks for.
    pub cluster: Option<String>,
    /// `new`, `left`, `worker` or `manager`.
    pub role: String,
    /// What is wrong with its card.
    pub trouble: Option<String>,
}

/// Where a board stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoardState {
    /// In no cluster and looking for none: it waits for `docker swarm init` or `join`.
    #[default]
    Idle,
    /// On its way into a cluster.
    Searching,
    /// A member that runs tasks.
    Worker,
    /// A member that holds the store as well.
    Manager,
    /// The manager that decides.
    Leader,
    /// A member that can't do its part now: [`BoardReport::problems`] say why.
    Trouble,
    /// A manager whose keys are sealed until `docker swarm unlock`.
    Locked,
}

/// What runs on a board.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BoardSystem {
    /// The daemon's version.
    pub version: String,
    /// The image's version (`VERSION` in `/etc/bramble/release`); absent where no image of ours runs.
    pub image: Option<String>,
    /// Which boards that image fits (`COMPATIBLE` there).
    pub compatible: Option<String>,
    /// The operating system's name.
    pub operating_system: String,
    /// The kernel's release.
    pub kernel: String,
    /// Such as `arm64`.
    pub architecture: String,
}

impl BoardState {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Searching => "searching",
            Self::Worker => "worker",
            Self::Manager => "manager",
            Self::Leader => "leader",
            Self::Trouble => "trouble",
            Self::Locked => "locked",
        }
    }
}

/// Why a board is to get no new tasks: the board's own verdict on itself, told to the leader and never stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Unfit {
    /// The worst that is wrong.
    pub ailment: Ailment,
    /// All that is wrong, for a person: `hot: 82 °C; no new tasks`.
    pub text: String,
}

/// What can be wrong with a board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ailment {
    /// Nothing can be written to its data partition.
    ReadOnly,
    /// Nothing is left of its data partition.
    Full,
    /// Its power supply gives too little.
    UnderVoltage,
    /// It is too hot.
    Hot,
    /// Something that only newer boards know of.
    #[default]
    #[serde(other)]
    Other,
}

impl Ailment {
    /// As it is written, and said: "the board is hot".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Full => "full",
            Self::UnderVoltage => "under-voltage",
            Self::Hot => "hot",
            Self::Other => "unwell",
        }
    }
}

impl From<&str> for Ailment {
    fn from(word: &str) -> Self {
        let known = [Self::ReadOnly, Self::Full, Self::UnderVoltage, Self::Hot];
        known
            .into_iter()
            .find(|ailment| ailment.as_str() == word)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_boards_ailment_is_one_all_the_same() {
        for (word, ailment) in [
            ("hot", Ailment::Hot),
            ("read-only", Ailment::ReadOnly),
            ("haunted", Ailment::Other),
        ] {
            assert_eq!(Ailment::from(word), ailment);
            assert_eq!(
                serde_json::from_str::<Ailment>(&format!("{word:?}")).unwrap(),
                ailment
            );
        }
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let report = BoardReport {
            name: "kitchen".to_owned(),
            state: BoardState::Worker,
            ..BoardReport::default()
        };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["State"], "worker");
        assert!(json.get("Model").is_none() && json.get("Nodes").is_none());
        assert_eq!(serde_json::from_value::<BoardReport>(json).unwrap(), report);
    }
}
