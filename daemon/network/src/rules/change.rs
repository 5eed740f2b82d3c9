//! From one text of a table to the next by what differs, in one transaction like the whole.
//!
//! Two reasons: with hundreds of services a board would load all their rules for each task of any; and a chain that is made
//! anew begins its turns at the first task again.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fmt::Write,
};

/// A chain, set or map of a text, as [`ruleset`](super::ruleset) and [`inside`](super::inside()) write them.
#[derive(PartialEq)]
struct Object<'a> {
    /// `chain`, `set` or `map`.
    kind: &'a str,
    /// Its type line; none of a chain that others jump to.
    head: Option<&'a str>,
    /// Rules in their order, or elements.
    body: Vec<&'a str>,
}

/// What brings the table of one text to that of the other; none if only the whole does.
pub fn change(before: &str, after: &str) -> Option<String> {
    let ((table, old), (same, new)) = (objects(before)?, objects(after)?);
    if table != same {
        return None;
    }
    let (mut takes, mut chains, mut puts) = (String::new(), String::new(), String::new());
    // Nobody jumps to a chain any more once elements and rules are gone.
    let mut removed = String::new();
    for (name, object) in &old {
        match new.get(name) {
            None if object.kind == "chain" => {
                let _ = writeln!(takes, "flush chain {table} {name}");
                let _ = writeln!(removed, "delete chain {table} {name}");
            }
            None => return None,
            Some(other) if (other.kind, other.head) != (object.kind, object.head) => return None,
            Some(other) if other.body == object.body => {}
            Some(_) if object.kind == "chain" => {
                let _ = writeln!(takes, "flush chain {table} {name}");
            }
            Some(other) => {
                elements(
                    &mut takes,
                    &format!("delete element {table} {name}"),
                    object,
                    other,
                );
                elements(&mut puts, &format!("add element {table} {name}"), other, object);
            }
        }
    }
    for (name, object) in &new {
        let known = old.get(name);
        if object.kind != "chain" {
            known?;
            continue;
        }
        if known == Some(object) {
            continue;
        }
        let _ = writeln!(chains, "\tchain {name} {{");
        for line in object.head.iter().chain(&object.body) {
            let _ = writeln!(chains, "\t\t{line}");
        }
        chains.push_str("\t}\n");
    }
    if !chains.is_empty() {
        chains = format!("table {table} {{\n{chains}}}\n");
    }
    Some(takes + &chains + &puts + &removed)
}

/// The elements of one that the other has not.
fn elements(text: &mut String, verb: &str, of: &Object<'_>, other: &Object<'_>) {
    let known: BTreeSet<&&str> = other.body.iter().collect();
    let differ: Vec<&str> = of
        .body
        .iter()
        .filter(|one| !known.contains(one))
        .copied()
        .collect();
    if !differ.is_empty() {
        let _ = writeln!(text, "{verb} {{ {} }}", differ.join(", "));
    }
}

/// The table's family and name, and what is in it.
fn objects(text: &str) -> Option<(&str, BTreeMap<&str, Object<'_>>)> {
    let mut lines = text.lines().map(str::trim);
    let table = lines.find_map(|line| line.strip_prefix("table ")?.strip_suffix(" {"))?;
    let mut objects = BTreeMap::new();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') || line == "}" {
            continue;
        }
        let (kind, name) = line.strip_suffix(" {")?.split_once(' ')?;
        let mut object = Object {
            kind,
            head: None,
            body: Vec::new(),
        };
        let mut within = kind == "chain";
        for line in lines.by_ref() {
            match line {
                "elements = {" => within = true,
                "}" if within && kind != "chain" => within = false,
                "}" => break,
                line if line.starts_with("type ") => object.head = Some(line),
                line if within => object.body.push(line.trim_end_matches(',')),
                _ => return None,
            }
        }
        match objects.entry(name) {
            Entry::Vacant(place) => drop(place.insert(object)),
            // What is said twice is said of the same.
            Entry::Occupied(mut known) => known.get_mut().body.extend(object.body),
        }
    }
    Some((table, objects))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sets: &[(&str, &[&str])], chains: &[(&str, &[&str])]) -> String {
        let mut text = String::from("table ip t\ndelete table ip t\ntable ip t {\n");
        for (name, elements) in sets {
            super::super::collection(&mut text, "map", name, "ipv4_addr : verdict", elements.iter());
        }
        text.push_str("\t# Said in between.\n");
        for (name, rules) in chains {
            let _ = writeln!(text, "\tchain {name} {{");
            for rule in *rules {
                let _ = writeln!(text, "\t\t{rule}");
            }
            text.push_str("\t}\n");
        }
        text + "}\n"
    }

    #[test]
    fn what_stays_is_not_touched() {
        let hook = "type nat hook output priority -100; policy accept;";
        let before = table(
            &[("v", &["a : jump x", "b : jump y"])],
            &[("x", &["to 1"]), ("y", &["to 2"]), ("out", &[hook, "vmap @v"])],
        );
        assert_eq!(change(&before, &before).as_deref(), Some(""));
        let after = table(
            &[("v", &["a : jump x", "c : jump z"])],
            &[
                ("x", &["to 1", "to 3"]),
                ("z", &["to 4"]),
                ("out", &[hook, "vmap @v"]),
            ],
        );
        assert_eq!(
            change(&before, &after).unwrap(),
            "delete element ip t v { b : jump y }\n\
             flush chain ip t x\n\
             flush chain ip t y\n\
             table ip t {\n\
             \tchain x {\n\t\tto 1\n\t\tto 3\n\t}\n\
             \tchain z {\n\t\tto 4\n\t}\n\
             }\n\
             add element ip t v { c : jump z }\n\
             delete chain ip t y\n"
        );
    }

    #[test]
    fn what_can_not_be_changed_is_made_anew() {
        let before = table(&[("v", &[])], &[("x", &["type filter hook input priority 0;"])]);
        assert!(change(&before, &table(&[], &[])).is_none());
        assert!(change(&before, &table(&[("v", &[]), ("w", &[])], &[])).is_none());
        let other = table(&[("v", &[])], &[("x", &["type filter hook input priority 1;"])]);
        assert!(change(&before, &other).is_none());
        assert!(change("", &before).is_none());
    }
}
