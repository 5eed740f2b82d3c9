//! What a board says of itself on the LAN, as texts of a DNS record.

use std::collections::BTreeMap;

/// What a board is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// In no cluster yet, and would like to be.
    #[default]
    New,
    /// In no cluster, by its user's wish.
    Left,
    /// A member that runs tasks.
    Worker,
    /// A member that holds the store.
    Manager,
}

impl Role {
    /// As it is announced.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Left => "left",
            Self::Worker => "worker",
            Self::Manager => "manager",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::New, Self::Left, Self::Worker, Self::Manager]
            .into_iter()
            .find(|role| role.as_str() == text)
    }

    /// True of members of a cluster.
    pub fn is_member(self) -> bool {
        matches!(self, Self::Worker | Self::Manager)
    }
}

/// What a board says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Its own key: names it among boards.
    pub board: String,
    /// Its host name, for people who browse.
    pub hostname: String,
    /// The cluster's name.
    pub cluster: String,
    /// What it is.
    pub role: Role,
    /// Its node id, of members.
    pub node: String,
    /// Where it listens (TCP).
    pub port: u16,
    /// What is wrong with its card, for people who browse; empty if nothing is.
    pub trouble: String,
}

/// Version of these texts.
const VERSION: &str = "1";
/// Bytes of a value. DNS allows 255 for `key=value`; ours are cut, and a stranger's longer ones are not read.
const LONGEST: usize = 128;

impl Card {
    /// As the texts of a DNS record.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let texts = [
            ("v", VERSION),
            ("board", self.board.as_str()),
            ("name", self.hostname.as_str()),
            ("cluster", self.cluster.as_str()),
            ("role", self.role.as_str()),
            ("node", self.node.as_str()),
            ("trouble", self.trouble.as_str()),
        ];
        texts
            .map(|(key, value)| {
                (
                    key.to_owned(),
                    value[..value.floor_char_boundary(LONGEST)].to_owned(),
                )
            })
            .into()
    }

    /// From the texts of a DNS record; none if they are not a card that this version reads.
    pub fn read(port: u16, text: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let text = |key: &str| text(key).filter(|value| value.len() <= LONGEST);
        if text("v")? != VERSION {
            return None;
        }
        Some(Self {
            board: text("board").filter(|board| !board.is_empty())?,
            hostname: text("name").unwrap_or_default(),
            cluster: text("cluster").unwrap_or_default(),
            role: Role::parse(&text("role")?)?,
            node: text("node").unwrap_or_default(),
            port,
            trouble: text("trouble").unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_comes_back_as_it_was() {
        for role in [Role::New, Role::Left, Role::Worker, Role::Manager] {
            let card = Card {
                board: "b1".into(),
                hostname: "kitchen".into(),
                cluster: "home".into(),
                role,
                node: "n".into(),
                port: 2377,
                trouble: "line 3: boards = 0".into(),
            };
            let texts = card.texts();
            assert_eq!(Card::read(2377, |key| texts.get(key).cloned()), Some(card));
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let card = Card {
            board: "b1".into(),
            trouble: format!("x{}", "é".repeat(LONGEST)),
            ..Card::default()
        };
        let cut = card.texts()["trouble"].clone();
        assert_eq!(cut.len(), LONGEST - 1);
        let texts = card.texts();
        assert_eq!(Card::read(1, |key| texts.get(key).cloned()).unwrap().trouble, cut);
    }

    #[test]
    fn strangers_texts_are_not_a_card() {
        assert_eq!(Card::read(1, |_| None), None);
        assert_eq!(
            Card::read(1, |key| Some(if key == "v" { "2" } else { "new" }.to_owned())),
            None
        );
        assert_eq!(
            Card::read(1, |key| Some(if key == "v" { "1" } else { "x" }.to_owned())),
            None
        );
    }
}
