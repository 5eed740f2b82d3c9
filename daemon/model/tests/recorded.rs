//! What the real docker command sent to a real engine, and what that answered: every body parses and comes back equal.
//!
//! `recorded.jsonl` holds one body a line, as recorded; of bodies that differ only in times, versions and process ids, one.
//! A `null` and an absent field are the same to Go's decoder and to the docker command: they are compared so.

use bramble_model::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn again<T: Serialize + DeserializeOwned>(body: &Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_value::<T>(body.clone())?)
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// Fields of `ours` that a recorded body can't have: Bramble's own, and those that Go leaves out when they are empty.
fn differences(path: &str, theirs: &Value, ours: &Value, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (key, value) in theirs {
                match ours.get(key) {
                    Some(same) => differences(&format!("{path}.{key}"), value, same, found),
                    None => found.push(format!("{path}.{key} is lost: {value}")),
                }
            }
            let empty = |value: &Value| match value {
                Value::Object(fields) => fields.is_empty(),
                Value::Array(items) => items.is_empty(),
                Value::String(text) => text.is_empty(),
                Value::Number(number) => number.as_f64() == Some(0.0),
                Value::Bool(set) => !set,
                Value::Null => true,
            };
            for (key, value) in ours {
                if !theirs.contains_key(key) && !key.starts_with("Bramble") && !empty(value) {
                    found.push(format!("{path}.{key} is made up: {value}"));
                }
            }
        }
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            for (at, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                differences(&format!("{path}[{at}]"), theirs, ours, found);
            }
        }
        _ if theirs == ours => {}
        // An empty word stands for the default, which we write out.
        (Value::String(theirs), Value::String(ours))
            if theirs.is_empty() && DEFAULTS.contains(&ours.as_str()) => {}
        _ => found.push(format!("{path}: {theirs} became {ours}")),
    }
}

/// Words that an old client may leave empty.
const DEFAULTS: [&str; 2] = ["stop-first", "active"];

#[test]
fn every_recorded_body_comes_back_equal() {
    let mut found = Vec::new();
    let mut count = 0;
    for (number, line) in include_str!("recorded.jsonl").lines().enumerate() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let (kind, body) = (line["kind"].as_str().unwrap().to_owned(), line["body"].take());
        let back = match kind.as_str() {
            "Node" => again::<Node>(&body),
            "NodeSpec" => again::<NodeSpec>(&body),
            "Service" => again::<Service>(&body),
            "ServiceSpec" => again::<ServiceSpec>(&body),
            "Task" => again::<Task>(&body),
            "Secret" => again::<Secret>(&body),
            "SecretSpec" => again::<SecretSpec>(&body),
            "Config" => again::<Config>(&body),
            "ConfigSpec" => again::<ConfigSpec>(&body),
            "Cluster" => again::<Cluster>(&body),
            "ClusterSpec" => again::<ClusterSpec>(&body),
            other => panic!("{other}"),
        };
        count += 1;
        match back {
            Ok(back) => {
                let at = format!("line {}: {kind}", number + 1);
                differences(&at, &without_nulls(body), &without_nulls(back), &mut found);
            }
            Err(error) => found.push(format!("line {}: {kind}: {error}", number + 1)),
        }
    }
    assert!(count > 100, "only {count} bodies");
    assert!(
        found.is_empty(),
        "{} differences:\n{}",
        found.len(),
        found.join("\n")
    );
}
