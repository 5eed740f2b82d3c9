//! What differs between a recorded session and ours, in lines that a person can read and a list can name.

use crate::session::{Asked, Command, Said};
use crate::shape::Shape;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// All differences: `docker node ls: …` of one command, `GET /nodes: …` of an answer's body, whichever command asked.
///
/// A command that changes something asks in passing, at whatever moment: `docker network rm` right after `docker service rm`
/// hears of containers that still end, or of none any more. So what it hears need only be like any answer that was recorded.
pub fn differences(recorded: &[Command], ours: &[Command]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let of_any_moment = of_any_moment(recorded);
    for (theirs, ours) in recorded.iter().zip(ours) {
        let typed = theirs.typed();
        let mut of_command = Vec::new();
        if let (Some(theirs), Some(ours)) = (&theirs.said, &ours.said) {
            said(theirs, ours, &mut of_command);
        }
        asked(&theirs.asked, &ours.asked, &mut of_command);
        found.extend(of_command.into_iter().map(|line| format!("{typed}: {line}")));
        let like = |one: &Asked| match theirs.looks() {
            true => one.body.as_ref().map(Shape::from_json),
            false => of_any_moment.get(&(one.ask.as_str(), one.status)).cloned(),
        };
        bodies(&theirs.asked, &ours.asked, like, &mut found);
    }
    found
}

/// What was recorded as the answer to each kind of request, whichever command asked.
fn of_any_moment(recorded: &[Command]) -> BTreeMap<(&str, u16), Shape> {
    let mut all = BTreeMap::<_, Shape>::new();
    for one in recorded.iter().flat_map(|command| &command.asked) {
        let Some(shape) = one.body.as_ref().map(Shape::from_json) else {
            continue;
        };
        match all.entry((one.ask.as_str(), one.status)) {
            Entry::Vacant(place) => drop(place.insert(shape)),
            Entry::Occupied(mut known) => known.get_mut().merge(shape),
        }
    }
    all
}

fn said(theirs: &Said, ours: &Said, found: &mut Vec<String>) {
    if ours.code != theirs.code {
        found.push(format!("ends with {}, not {}", ours.code, theirs.code));
    }
    let count = |lines: &[String]| {
        let mut counts = BTreeMap::<String, usize>::new();
        lines
            .iter()
            .for_each(|line| *counts.entry(line.clone()).or_default() += 1);
        counts
    };
    let (their, our) = (count(&theirs.lines), count(&ours.lines));
    for (line, number) in &their {
        if our.get(line).is_none_or(|ours| ours < number) {
            found.push(format!("does not print \"{line}\""));
        }
    }
    for (line, number) in &our {
        if their.get(line).is_none_or(|theirs| theirs < number) {
            found.push(format!("prints \"{line}\""));
        }
    }
}

fn statuses(asked: &[Asked]) -> BTreeMap<&str, BTreeSet<u16>> {
    let mut all = BTreeMap::<&str, BTreeSet<u16>>::new();
    for one in asked {
        all.entry(&one.ask).or_default().insert(one.status);
    }
    all
}

fn asked(theirs: &[Asked], ours: &[Asked], found: &mut Vec<String>) {
    let list = |statuses: &BTreeSet<u16>| {
        statuses
            .iter()
            .map(u16::to_string)
            .collect::<Vec<_>>()
            .join(" and ")
    };
    let (their, our) = (statuses(theirs), statuses(ours));
    for (ask, wanted) in &their {
        match our.get(ask) {
            None => found.push(format!("does not ask {ask}")),
            Some(got) if got != wanted => {
                found.push(format!("{ask} answers {}, not {}", list(got), list(wanted)));
            }
            Some(_) => {}
        }
    }
    let new = our.keys().filter(|ask| !their.contains_key(*ask));
    found.extend(new.map(|ask| format!("asks {ask}")));
}

fn bodies(
    theirs: &[Asked],
    ours: &[Asked],
    like: impl Fn(&Asked) -> Option<Shape>,
    found: &mut BTreeSet<String>,
) {
    for one in theirs {
        let same = |other: &&Asked| other.ask == one.ask && other.status == one.status;
        let Some(other) = ours.iter().find(same) else {
            continue;
        };
        let lines = match (like(one), &other.body) {
            (Some(theirs), Some(ours)) => Shape::from_json(ours).differences(&theirs),
            (None, Some(_)) => vec!["there is a body".to_owned()],
            (Some(_), None) => vec!["there is no body".to_owned()],
            (None, None) => Vec::new(),
        };
        let name = if one.status < 300 {
            one.ask.clone()
        } else {
            format!("{} ({})", one.ask, one.status)
        };
        found.extend(lines.into_iter().map(|line| format!("{name}: {line}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn command(code: i32, lines: &[&str], status: u16, body: serde_json::Value) -> Command {
        Command {
            args: vec!["node".to_owned(), "ls".to_owned()],
            said: Some(Said {
                code,
                lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            }),
            asked: vec![Asked {
                ask: "GET /nodes".to_owned(),
                status,
                body: Some(body),
            }],
            ..Command::default()
        }
    }

    #[test]
    fn codes_lines_statuses_and_bodies_are_compared() {
        let theirs = [command(0, &["a", "b", "b"], 200, json!([{"ID": "string"}]))];
        assert!(differences(&theirs, &theirs).is_empty());
        let ours = [command(1, &["a", "b", "c"], 200, json!([{"Id": "string"}]))];
        let found: Vec<_> = differences(&theirs, &ours).into_iter().collect();
        assert_eq!(
            found,
            [
                "GET /nodes: [].ID is missing",
                "GET /nodes: [].Id is new",
                "docker node ls: does not print \"b\"",
                "docker node ls: ends with 1, not 0",
                "docker node ls: prints \"c\"",
            ]
        );
        let ours = [command(0, &["a", "b", "b"], 404, json!([]))];
        assert_eq!(
            differences(&theirs, &ours).into_iter().collect::<Vec<_>>(),
            ["docker node ls: GET /nodes answers 404, not 200"]
        );
    }

    #[test]
    fn what_is_asked_in_passing_is_like_any_answer_that_was_recorded() {
        let typed = |args: &[&str], body| Command {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            ..command(0, &[], 200, body)
        };
        let (nobody, somebody) = (json!({"In": "null"}), json!({"In": {"Name": "string"}}));
        let recorded = [
            typed(&["network", "inspect"], nobody.clone()),
            typed(&["network", "rm"], somebody.clone()),
        ];
        let ours = |first: &serde_json::Value, second: &serde_json::Value| {
            [
                typed(&["network", "inspect"], first.clone()),
                typed(&["network", "rm"], second.clone()),
            ]
        };
        assert!(differences(&recorded, &ours(&nobody, &nobody)).is_empty());
        assert!(differences(&recorded, &ours(&nobody, &somebody)).is_empty());
        assert_eq!(differences(&recorded, &ours(&somebody, &somebody)).len(), 1);
        assert_eq!(
            differences(&recorded, &ours(&nobody, &json!({"In": "bool"}))).len(),
            1
        );
    }
}
