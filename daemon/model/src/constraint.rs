//! Placement constraints: `node.labels.ssd==true`, `node.hostname!=board-1`.
//!
//! With a `~` behind the operator a constraint is soft: `node.labels.ssd ==~ true` prefers boards with an SSD and excludes
//! none (as the Swarm before swarm mode had it).

use crate::{Node, NodeRole};
use std::net::IpAddr;

/// One condition on a board (swarm.md 1.6). Keys of labels are taken as written, values are compared without
/// regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    key: Key,
    equal: bool,
    soft: bool,
    value: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Id,
    Hostname,
    Ip,
    Role,
    Os,
    Architecture,
    NodeLabel(String),
    EngineLabel(String),
}

/// Why a constraint can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// No `==` or `!=`, or nothing on one side.
    #[error("constraint expected one operator from ==, != (or ==~, !=~ to prefer boards): '{0}'")]
    Operator(String),
    /// A key that no board has.
    #[error(
        "constraint key '{0}' is not known: use node.id, node.hostname, node.ip, node.role, node.platform.os, \
         node.platform.arch, node.labels.NAME or engine.labels.NAME"
    )]
    Key(String),
    /// A value that can't be.
    #[error("value '{0}' is invalid: it may hold letters, digits and -_.:/*()?+[]\\^$|")]
    Value(String),
}

impl Constraint {
    /// Reads a constraint.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        let (key, equal, value) = match (text.find("=="), text.find("!=")) {
            (Some(at), None) => (&text[..at], true, &text[at + 2..]),
            (None, Some(at)) => (&text[..at], false, &text[at + 2..]),
            _ => return Err(ConstraintError::Operator(text.to_owned())),
        };
        let (value, soft) = match value.strip_prefix('~') {
            Some(value) => (value, true),
            None => (value, false),
        };
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() || value.is_empty() {
            return Err(ConstraintError::Operator(text.to_owned()));
        }
        if value.contains(|c: char| !(c.is_ascii_alphanumeric() || " -_.:/*()?+[]\\^$|".contains(c))) {
            return Err(ConstraintError::Value(value.to_owned()));
        }
        let key = Key::parse(key).ok_or_else(|| ConstraintError::Key(key.to_owned()))?;
        Ok(Self {
            key,
            equal,
            soft,
            value: value.to_owned(),
        })
    }

    /// True if boards that don't satisfy it are only liked less.
    pub fn is_soft(&self) -> bool {
        self.soft
    }

    /// True if the board satisfies it.
    pub fn holds(&self, node: &Node) -> bool {
        self.matches(node) == self.equal
    }

    fn matches(&self, node: &Node) -> bool {
        let same = |text: &str| text.eq_ignore_ascii_case(&self.value);
        let (os, architecture) = node.description.platform.normal();
        match &self.key {
            Key::Id => same(node.id.as_str()),
            Key::Hostname => same(&node.description.hostname),
            Key::Ip => node
                .status
                .addr
                .as_deref()
                .is_some_and(|addr| within(addr, &self.value)),
            Key::Role => same(match node.membership.role {
                NodeRole::Worker => "worker",
                NodeRole::Manager => "manager",
            }),
            Key::Os => same(&os),
            Key::Architecture => {
                same(&architecture)
                    || node
                        .description
                        .platform
                        .architecture
                        .as_deref()
                        .is_some_and(same)
            }
            Key::NodeLabel(name) => same(node.spec.labels.get(name).map_or("", String::as_str)),
            Key::EngineLabel(name) => {
                let labels = node.description.engine.labels.as_ref();
                same(
                    labels
                        .and_then(|labels| labels.get(name))
                        .map_or("", String::as_str),
                )
            }
        }
    }
}

impl Key {
    fn parse(key: &str) -> Option<Self> {
        let lower = key.to_ascii_lowercase();
        Some(match lower.as_str() {
            "node.id" => Self::Id,
            "node.hostname" => Self::Hostname,
            "node.ip" => Self::Ip,
            "node.role" => Self::Role,
            "node.platform.os" => Self::Os,
            "node.platform.arch" => Self::Architecture,
            _ => {
                let label = |prefix: &str| lower.starts_with(prefix).then(|| key[prefix.len()..].to_owned());
                let named = |name: &String| !name.is_empty();
                match label("node.labels.").filter(named) {
                    Some(name) => Self::NodeLabel(name),
                    None => Self::EngineLabel(label("engine.labels.").filter(named)?),
                }
            }
        })
    }
}

/// True if `address` is `wanted` or lies in it (`10.0.0.0/24`).
fn within(address: &str, wanted: &str) -> bool {
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let (network, bits) = match wanted.split_once('/') {
        Some((network, bits)) => (network, bits.parse::<u32>().ok()),
        None => (wanted, Some(128)),
    };
    let (Ok(network), Some(bits)) = (network.parse::<IpAddr>(), bits) else {
        return false;
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            shifted(u32::from(a).into(), 32, bits) == shifted(u32::from(b).into(), 32, bits)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            shifted(u128::from(a), 128, bits) == shifted(u128::from(b), 128, bits)
        }
        _ => false,
    }
}

fn shifted(address: u128, width: u32, bits: u32) -> u128 {
    address.checked_shr(width.saturating_sub(bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Node {
        let mut node = Node {
            id: "abc".into(),
            ..Node::default()
        };
        node.spec.labels.insert("SSD".into(), "true".into());
        node.description.hostname = "board-1".into();
        node.description.platform.architecture = Some("aarch64".into());
        node.description.platform.os = Some("linux".into());
        node.description.engine.labels = Some([("zone".to_owned(), "a".to_owned())].into());
        node.membership.role = NodeRole::Manager;
        node.status.addr = Some("10.0.0.7".into());
        node
    }

    #[test]
    fn each_key_is_compared() {
        for (text, expected) in [
            ("node.id==ABC", true),
            ("node.hostname != board-1", false),
            ("node.role==manager", true),
            ("node.ip==10.0.0.0/24", true),
            ("node.ip==10.0.1.0/24", false),
            ("node.ip==10.0.0.7", true),
            ("node.ip==0.0.0.0/0", true),
            ("node.platform.arch==arm64", true),
            ("node.platform.arch==aarch64", true),
            ("node.platform.os!=linux", false),
            ("node.labels.SSD==True", true),
            ("node.labels.none!=x", true),
            ("engine.labels.zone==a", true),
        ] {
            assert_eq!(
                Constraint::parse(text).unwrap().holds(&board()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_soft_constraint_is_known_as_such() {
        for (text, soft, holds) in [
            ("node.labels.SSD ==~ true", true, true),
            ("node.labels.SSD!=~true", true, false),
            ("node.labels.SSD==true", false, true),
        ] {
            let constraint = Constraint::parse(text).unwrap();
            assert_eq!(
                (constraint.is_soft(), constraint.holds(&board())),
                (soft, holds),
                "{text}"
            );
        }
        assert!(Constraint::parse("node.labels.SSD==~").is_err());
        assert!(Constraint::parse("node.labels.SSD==~~true").is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "node.id",
            "==",
            "node.id==",
            "node.id==a!=b",
            "nod.id==a",
            "node.labels.==a",
            "node.id==a\nb",
        ] {
            assert!(Constraint::parse(text).is_err(), "{text}");
        }
    }
}
