//! `cargo lab arrows`

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use clap::Args;
use lab::{cargo::cargo, run};
use serde_json::Value;

use crate::arrows_table::{EVERYTHING, PURE, ROOMS, UNSEEN_BY_PURE};

/// Check that rooms depend only on those that they may
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cargo lab arrows       the table is in tests/lab/src/arrows_table.rs")]
pub struct Arrows {}

impl Arrows {
    pub fn run(self) -> Result<()> {
        let text = run(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"])).ok()?;
        let metadata: Value = serde_json::from_str(&text).context("cargo metadata is no JSON")?;
        let wrong = wrong(&packages(&metadata)?);
        if !wrong.is_empty() {
            bail!("arrows that the house does not have:\n  {}", wrong.join("\n  "));
        }
        Ok(())
    }
}

/// A package's name to the names of what it needs, other than for its tests.
type Packages = BTreeMap<String, Vec<String>>;

fn packages(metadata: &Value) -> Result<Packages> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata names no packages")?;
    let name = |one: &Value| one["name"].as_str().map(room);
    let needs = |one: &Value| {
        let all = one["dependencies"].as_array().into_iter().flatten();
        all.filter(|need| need["kind"] != "dev")
            .filter_map(name)
            .collect()
    };
    Ok(packages
        .iter()
        .filter_map(|one| Some((name(one)?, needs(one))))
        .collect())
}

/// The room of a package: `bramble-model` is `model`.
fn room(package: &str) -> String {
    package.strip_prefix("bramble-").unwrap_or(package).to_owned()
}

fn wrong(packages: &Packages) -> Vec<String> {
    let mut found = Vec::new();
    for (name, needs) in packages {
        let Some((_, may)) = ROOMS.iter().find(|(room, _)| room == name) else {
            found.push(format!("{name} is not in the table of rooms"));
            continue;
        };
        for need in needs.iter().filter(|need| packages.contains_key(*need)) {
            let allowed = may.contains(&need.as_str()) || (*may == EVERYTHING && need != "lab");
            if !allowed {
                found.push(format!("{name} depends on {need}"));
            }
        }
        for need in needs
            .iter()
            .filter(|need| PURE.contains(&name.as_str()) && UNSEEN_BY_PURE.contains(&need.as_str()))
        {
            found.push(format!("{name} is pure, and depends on {need}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, needs: &[(&str, Option<&str>)]) -> Value {
        let needs = needs
            .iter()
            .map(|(name, kind)| json!({ "name": name, "kind": kind }));
        json!({ "name": name, "dependencies": needs.collect::<Vec<_>>() })
    }

    fn judged(packages_: &[Value]) -> Vec<String> {
        wrong(&packages(&json!({ "packages": packages_ })).unwrap())
    }

    #[test]
    fn arrows_go_one_way() {
        let model = package("bramble-model", &[("serde", None)]);
        let state = package("bramble-state", &[("bramble-model", None), ("imbl", None)]);
        let binary = package("bramble", &[("bramble-state", None), ("bramble-model", None)]);
        assert_eq!(judged(&[model, state.clone(), binary]), [""; 0]);
        let upside_down = package("bramble-model", &[("bramble-state", None)]);
        assert_eq!(judged(&[upside_down, state]), ["model depends on state"]);
    }

    #[test]
    fn pure_rooms_see_no_tokio_outside_of_tests() {
        assert_eq!(
            judged(&[package("bramble-plan", &[("tokio", Some("dev"))])]),
            [""; 0]
        );
        assert_eq!(
            judged(&[package("bramble-plan", &[("tokio", None)])]),
            ["plan is pure, and depends on tokio"]
        );
    }

    #[test]
    fn a_new_room_needs_a_line_in_the_table() {
        assert_eq!(
            judged(&[package("bramble-attic", &[])]),
            ["attic is not in the table of rooms"]
        );
    }
}
