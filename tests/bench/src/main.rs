//! Speed and size of three boards in the lab, Bramble's beside Docker Swarm's, as a table.
//!
//! Nothing here is asserted: numbers are for people, and only those of one sitting compare. Processor time is that of the whole
//! boards: daemon, containerd, shims and containers.

use anyhow::Result;
use clap::Parser;
use std::time::Duration;

use system::System;
use table::Table;

mod many;
mod measure;
mod network;
mod system;
mod table;

/// How long anything may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures three boards with Bramble, then the same boards with Docker Swarm, and prints a table.
#[derive(Parser)]
#[command(after_help = "\
Examples:
  cargo lab bench                                   all, some five minutes
  cargo lab bench -- --only bramble --rounds 5      no Swarm beside it, more rounds
  cargo lab bench -- --idle 600                     ten idle minutes
  cargo lab bench -- --network                      what virtual addresses and the mesh cost
  cargo lab bench -- --networks 50x20               50 networks with 20 services each")]
struct Arguments {
    /// Replicas to start
    #[arg(long, default_value_t = 30)]
    replicas: usize,
    /// Seconds to watch an idle leader's writes
    #[arg(long, default_value_t = 30)]
    idle: u64,
    /// How often speed is measured; the table shows every round
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Measure one system and not the other
    #[arg(long)]
    only: Option<System>,
    /// Measure the network instead: Bramble's only, as Docker Swarm's needs IPVS in the kernel
    #[arg(long, conflicts_with_all = ["only", "replicas", "idle"])]
    network: bool,
    /// Measure so many networks with so many services each instead, `50x20`
    #[arg(long, conflicts_with_all = ["only", "replicas", "idle", "rounds", "network"])]
    networks: Option<many::Size>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.network || arguments.networks.is_some() {
        return network(&arguments);
    }
    let both = [System::Bramble, System::Swarm];
    let systems: Vec<_> = both
        .into_iter()
        .filter(|one| arguments.only.is_none_or(|only| only == *one))
        .collect();
    let mut table = Table::new(systems.iter().map(ToString::to_string));
    for (column, system) in systems.iter().enumerate() {
        let lab = system.up()?;
        measure::all(&lab, &arguments, |what, value| {
            println!("{system}: {what}: {value}");
            table.add(column, what, value);
        })?;
        lab.down()?;
    }
    println!("\n{table}");
    Ok(())
}

fn network(arguments: &Arguments) -> Result<()> {
    let lab = System::Bramble.up()?;
    let mut table = Table::new(["Bramble".to_owned()].into_iter());
    let tell = |what: &str, value: String| {
        println!("{what}: {value}");
        table.add(0, what, value);
    };
    match arguments.networks {
        Some(size) => many::all(&lab, size, tell)?,
        None => network::all(&lab, arguments, tell)?,
    }
    lab.down()?;
    println!("\n{table}");
    Ok(())
}
