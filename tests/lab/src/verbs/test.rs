//! `cargo lab test`

use std::process::Command;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use lab::{Since, cargo::cargo, repository};

use super::{setup::Setup, show};

/// Everything that CI runs
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo lab test\n  cargo lab test --only unit\n  cargo lab test --only verify --only e2e"
)]
pub struct Test {
    /// Only this part; may be given more than once
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
}

/// The parts, in the order that they run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Installs what is missing
    Setup,
    /// Format, lints and arrows
    Verify,
    /// Every package's own tests
    Unit,
    /// Whole clusters, by the docker command
    E2e,
    /// The aarch64 binary and its tests under qemu, where cross/test is there
    Cross,
}

impl Test {
    pub fn run(self) -> Result<()> {
        let chosen = |part: &&Part| self.only.is_empty() || self.only.contains(part);
        let mut results = Vec::new();
        for part in Part::value_variants().iter().filter(chosen) {
            println!("=== {}", name(*part));
            let since = Since::now();
            let result = part.run();
            println!(
                "=== {}: {} in {:.0} s",
                name(*part),
                if result.is_ok() { "good" } else { "FAILED" },
                since.seconds()
            );
            results.push((name(*part), since.seconds(), result));
        }
        println!();
        for (name, seconds, result) in &results {
            let verdict = result
                .as_ref()
                .map_or_else(|error| format!("FAILED: {error:#}"), |()| "good".to_owned());
            println!("{name:8} {seconds:6.0} s  {verdict}");
        }
        let failed = results.iter().filter(|(.., result)| result.is_err()).count();
        if failed > 0 {
            bail!("{failed} of {} parts failed", results.len());
        }
        Ok(())
    }
}

impl Part {
    fn run(self) -> Result<()> {
        match self {
            Part::Setup => Setup {}.run(),
            Part::Verify => super::verify::Verify {}.run(),
            Part::Unit => tests(&[
                "--workspace",
                "--exclude",
                "bramble-e2e",
                "--exclude",
                "bramble-compat",
                "--exclude",
                "bramble-bench",
            ]),
            Part::E2e => tests(&[
                "--package",
                "bramble-e2e",
                "--package",
                "bramble-compat",
                "--",
                "--test-threads=1",
            ]),
            Part::Cross => {
                let script = repository().join("cross/test");
                if !script.is_file() {
                    println!("there is no cross/test here");
                    return Ok(());
                }
                show(Command::new(script).current_dir(repository()))
            }
        }
    }
}

/// Runs tests to their end, whatever fails, and without files for a next build that a clean machine has no use for.
fn tests(args: &[&str]) -> Result<()> {
    show(
        cargo(&["test", "--no-fail-fast"])
            .args(args)
            .env("CARGO_INCREMENTAL", "0"),
    )
}

fn name(part: Part) -> String {
    part.to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}
