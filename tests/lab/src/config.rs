//! The daemon's configuration, as a card would carry it.

use std::path::Path;

use crate::net::{REGISTRY, SUBNET};

/// What differs between labs and boards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Config<'a> {
    /// The cluster's name and join key; without, the board waits for `docker swarm init` or `join`.
    pub cluster: Option<(&'a str, &'a str)>,
    /// How many boards the cluster is to have.
    pub boards: usize,
    /// The board's number, from 1.
    pub number: usize,
    pub state_dir: &'a Path,
    pub api: &'a Path,
    /// Where the board finds files about itself.
    pub hardware: &'a Path,
}

impl Config<'_> {
    /// The text of `bramble.toml`.
    pub fn text(&self) -> String {
        // A TOML basic string is escaped the way that Rust escapes one, for all that can stand in a path here.
        let quoted = |path: &Path| format!("{:?}", path.display().to_string());
        let cluster = self
            .cluster
            .map(|(name, key)| format!("cluster = {name:?}\njoin-key = {key:?}\n"));
        format!(
            "{}\
             boards = {}\n\
             hostname = \"board-{}\"\n\
             state-dir = {}\n\
             run-dir = \"/run/bramble\"\n\
             api = {}\n\
             advertise = \"eth0\"\n\
             registry-mirror = \"http://{REGISTRY}\"\n\
             insecure-registries = [\"127.0.0.0/8\", \"{SUBNET}\"]\n\
             board-root = {}\n\
             log = \"info\"\n",
            cluster.unwrap_or_default(),
            self.boards,
            self.number,
            quoted(self.state_dir),
            quoted(self.api),
            quoted(self.hardware),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_says_what_the_board_needs() {
        let config = Config {
            cluster: Some(("home", "key")),
            boards: 3,
            number: 2,
            state_dir: Path::new("/x/state"),
            api: Path::new("/x/docker.sock"),
            hardware: Path::new("/x/hardware"),
        };
        let expected = r#"cluster = "home"
join-key = "key"
boards = 3
hostname = "board-2"
state-dir = "/x/state"
run-dir = "/run/bramble"
api = "/x/docker.sock"
advertise = "eth0"
registry-mirror = "http://10.9.0.1:5000"
insecure-registries = ["127.0.0.0/8", "10.9.0.0/24"]
board-root = "/x/hardware"
log = "info"
"#;
        assert_eq!(config.text(), expected);
        let by_hand = Config {
            cluster: None,
            ..config
        }
        .text();
        assert!(by_hand.starts_with("boards = 3\n"), "{by_hand}");
    }
}
