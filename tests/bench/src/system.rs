//! What is measured: Bramble, or Docker Swarm on the same boards with the same images.

use anyhow::Result;
use lab::{Board, Lab, Options};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum System {
    Bramble,
    Swarm,
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            System::Bramble => "Bramble",
            System::Swarm => "Docker Swarm",
        })
    }
}

impl System {
    /// Three boards with three managers that all see each other.
    pub fn up(self) -> Result<Lab> {
        match self {
            System::Bramble => Lab::up("bench", 3),
            System::Swarm => {
                let options = Options {
                    daemon: lab::engine(|what| println!("{what}"))?,
                    by_hand: true,
                    ..Options::new(3)
                };
                let lab = Lab::owned("bench-swarm", options)?;
                lab.start_all()?;
                form(&lab)?;
                lab.ready()?;
                Ok(lab)
            }
        }
    }
}

/// Makes a swarm as its users do.
fn form(lab: &Lab) -> Result<()> {
    for board in lab.boards() {
        lab.wait_for(&format!("{}'s engine", board.name()), super::PATIENCE, || {
            Ok(board.api("GET", "/_ping", None).ok().map(drop))
        })?;
    }
    let [first, others @ ..] = lab.boards() else {
        return Ok(());
    };
    let at = |board: &Board| board.address().to_string();
    first
        .docker(&["swarm", "init", "--advertise-addr", &at(first)])
        .ok()?;
    let token = first
        .docker(&["swarm", "join-token", "--quiet", "manager"])
        .ok()?;
    for other in others {
        let to = format!("{}:2377", at(first));
        other
            .docker(&[
                "swarm",
                "join",
                "--advertise-addr",
                &at(other),
                "--token",
                token.trim(),
                &to,
            ])
            .ok()?;
    }
    Ok(())
}

/// Whether all three boards are there again, whoever leads.
pub fn whole(lab: &Lab, managers: usize) -> Result<()> {
    lab.wait_for("the cluster to be whole", super::PATIENCE, || {
        let nodes = lab.boards().iter().find_map(|board| {
            let answer = board.api("GET", "/nodes", None).ok()?.ok().ok()?;
            answer.json().ok()
        });
        let count = |pointer: &str, value: &str| {
            let all = nodes.as_ref().and_then(|nodes| nodes.as_array());
            all.into_iter()
                .flatten()
                .filter(|node| node.pointer(pointer).is_some_and(|one| one == value))
                .count()
        };
        let there = count("/Status/State", "ready") == lab.boards().len()
            && count("/ManagerStatus/Reachability", "reachable") == managers;
        Ok(there.then_some(()))
    })
}
