//! What a restarted daemon takes over. Pure: what was noted and what was seen go in, who stays and what must go come out.
//!
//! The note is written before anything is made for a task and after everything of it is gone, so a namespace without a note
//! means that the note was lost; its address is then read from the kernel. A note without a namespace is that of a task whose
//! attaching or detaching was cut short, or that was there before a reboot.

use std::{collections::BTreeMap, net::Ipv4Addr};

use exec::HostPort;
use model::{PortProtocol, TaskId};
use serde::{Deserialize, Serialize};

use crate::wanted::{Member, Seat, Wanted};

/// What is noted on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// True if this daemon switched on the board's forwarding, and must switch it off again in the end.
    #[serde(default)]
    pub forwarding_was_off: bool,
    /// Who was attached, by id.
    #[serde(default)]
    members: BTreeMap<TaskId, Noted>,
}

/// A member as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    address: Ipv4Addr,
    /// Protocol, published, target.
    #[serde(default)]
    host_ports: Vec<(PortProtocol, u16, u16)>,
    #[serde(default)]
    seats: Vec<Seat>,
    #[serde(default)]
    closed: bool,
}

/// What the kernel tells of a task whose note was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The address of its `eth0`.
    pub address: Ipv4Addr,
    /// Its places in overlay networks, in the order of its links.
    pub seats: Vec<Seat>,
    /// It has no default route.
    pub closed: bool,
}

impl From<Found> for Member {
    fn from(found: Found) -> Self {
        Member {
            address: found.address,
            host_ports: Vec::new(),
            leaving: false,
            seats: found.seats,
            closed: found.closed,
        }
    }
}

impl From<&Member> for Noted {
    fn from(member: &Member) -> Self {
        let port = |p: &HostPort| (p.protocol, p.published, p.target);
        Noted {
            address: member.address,
            host_ports: member.host_ports.iter().map(port).collect(),
            seats: member.seats.clone(),
            closed: member.closed,
        }
    }
}

impl From<&Noted> for Member {
    fn from(noted: &Noted) -> Self {
        let port = |&(protocol, published, target): &_| HostPort {
            protocol,
            published,
            target,
        };
        Member {
            address: noted.address,
            host_ports: noted.host_ports.iter().map(port).collect(),
            leaving: false,
            seats: noted.seats.clone(),
            closed: noted.closed,
        }
    }
}

impl Note {
    /// The note of what is wanted now.
    pub fn of(wanted: &Wanted, forwarding_was_off: bool) -> Note {
        let members = wanted
            .members()
            .iter()
            .map(|(id, member)| (id.clone(), member.into()))
            .collect();
        Note {
            forwarding_was_off,
            members,
        }
    }

    /// Whether a task is noted.
    pub fn names(&self, id: &TaskId) -> bool {
        self.members.contains_key(id)
    }

    /// Reads a note. A torn or foreign one is no reason not to start, it is as good as none.
    pub fn parse(text: &[u8]) -> Option<Note> {
        serde_json::from_slice(text).ok()
    }

    /// The note as text.
    pub fn text(&self) -> Vec<u8> {
        // Strings, numbers and maps with string keys always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Takes over whom the note and the board agree on, and those on the board with a usable address. Returns the ids whose
/// remains must be removed. `seen` has every entry of the directory of namespaces: `None` stands for a file that is no
/// namespace, `Some(None)` for a namespace of which nothing is known or was not asked for.
pub fn recover(
    wanted: &mut Wanted,
    note: &Note,
    seen: &BTreeMap<TaskId, Option<Option<Found>>>,
) -> Vec<TaskId> {
    let mut leftovers = Vec::new();
    // Those with a note come first: it has their ports, and an address without a note must not take theirs.
    let (noted, unknown): (Vec<_>, Vec<_>) = seen.iter().partition(|(id, _)| note.names(id));
    for (id, namespace) in noted.into_iter().chain(unknown) {
        let noted = note.members.get(id).map(Member::from);
        let found = namespace
            .as_ref()
            .and_then(|found| noted.or_else(|| found.clone().map(Member::from)));
        if !found.is_some_and(|member| wanted.adopt(id, member)) {
            leftovers.push(id.clone());
        }
    }
    leftovers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Subnet;

    fn member(last: u8, ports: &[u16]) -> Member {
        let port = |p: &u16| HostPort {
            protocol: PortProtocol::Tcp,
            published: *p,
            target: 80,
        };
        Member {
            address: Ipv4Addr::new(172, 30, 0, last),
            host_ports: ports.iter().map(port).collect(),
            leaving: false,
            seats: vec![seat(last)],
            closed: false,
        }
    }

    fn seat(last: u8) -> Seat {
        Seat {
            vni: 0x1001,
            address: Ipv4Addr::new(10, 0, 1, last),
            prefix: 24,
        }
    }

    /// What the kernel tells of a member.
    fn found(last: u8) -> Option<Option<Found>> {
        let member = member(last, &[]);
        Some(Some(Found {
            address: member.address,
            seats: member.seats,
            closed: false,
        }))
    }

    fn run(
        noted: &[(&str, Member)],
        seen: &[(&str, Option<Option<Found>>)],
    ) -> (BTreeMap<TaskId, Member>, Vec<TaskId>) {
        let mut wanted = Wanted::new("bramble0", Subnet::LOCAL);
        let members = noted
            .iter()
            .map(|(id, member)| (TaskId::from(*id), member.into()))
            .collect();
        let seen = seen
            .iter()
            .map(|(id, found)| (TaskId::from(*id), found.clone()))
            .collect();
        let leftovers = recover(
            &mut wanted,
            &Note {
                forwarding_was_off: false,
                members,
            },
            &seen,
        );
        (wanted.members().clone(), leftovers)
    }

    #[test]
    fn who_is_noted_and_there_stays_with_its_ports() {
        let (members, leftovers) = run(&[("a", member(5, &[8080]))], &[("a", Some(None))]);
        assert_eq!(members["a"], member(5, &[8080]));
        assert!(leftovers.is_empty());
    }

    #[test]
    fn a_note_without_a_namespace_is_dropped() {
        let (members, leftovers) = run(&[("a", member(5, &[]))], &[]);
        assert!(members.is_empty() && leftovers.is_empty());
    }

    #[test]
    fn a_file_that_is_no_namespace_is_removed() {
        let (members, leftovers) = run(&[("a", member(5, &[]))], &[("a", None)]);
        assert!(members.is_empty());
        assert_eq!(leftovers, ["a".into()]);
    }

    #[test]
    fn a_lost_note_is_made_up_for_by_the_kernel() {
        let (members, leftovers) = run(&[], &[("a", found(9)), ("b", Some(None))]);
        assert_eq!(members["a"], member(9, &[]));
        assert_eq!(leftovers, ["b".into()]);
    }

    #[test]
    fn the_noted_keeps_its_address_against_the_unknown() {
        let (members, leftovers) = run(&[("z", member(5, &[]))], &[("a", found(5)), ("z", Some(None))]);
        assert_eq!(members.keys().collect::<Vec<_>>(), [&TaskId::from("z")]);
        assert_eq!(leftovers, ["a".into()]);
    }

    #[test]
    fn an_address_of_another_subnet_is_a_leftover() {
        let mut stranger = member(5, &[]);
        stranger.address = Ipv4Addr::new(10, 0, 0, 5);
        let (members, leftovers) = run(&[("a", stranger)], &[("a", Some(None))]);
        assert!(members.is_empty());
        assert_eq!(leftovers, ["a".into()]);
    }

    #[test]
    fn a_note_survives_the_disk_and_a_torn_one_is_none() {
        let note = Note {
            forwarding_was_off: true,
            members: BTreeMap::from([("a".into(), (&member(5, &[80])).into())]),
        };
        let text = note.text();
        assert_eq!(Note::parse(&text), Some(note));
        assert_eq!(Note::parse(&text[..text.len() / 2]), None);
    }
}
