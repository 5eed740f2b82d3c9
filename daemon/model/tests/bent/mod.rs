//! Bodies that users bend out of shape: those that the docker command really sends and gets, with a few values replaced.
//!
//! Rooms that work on such bodies take this file in by its path, for what they have to do is the same: whatever comes, not to panic.

#![allow(dead_code, reason = "each room uses its part")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy takes helpers outside test functions for no tests"
)]

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

const RECORDED: &str = include_str!("../recorded.jsonl");

/// The recorded bodies of a kind.
pub fn bodies(kind: &str) -> Vec<Value> {
    let lines = RECORDED
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["kind"] == kind)
        .map(|mut line| line["body"].take())
        .collect()
}

/// What no sensible person would write.
pub fn hostile() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec![0, 1, -1, 7, i64::MAX, i64::MIN, i64::from(u32::MAX) + 1])
            .prop_map(Value::from),
        prop::sample::select(vec![
            json!(null),
            json!(true),
            json!(1.5),
            json!(1e300),
            json!(u64::MAX),
            json!([]),
            json!({}),
            json!([null]),
            json!(""),
            json!(" "),
            json!("\u{0}"),
            json!("../../.."),
            json!("{{.Node.Hostname}}"),
            json!("{{"),
            json!("ß".repeat(300)),
            json!("node.labels.a=="),
            json!("10.0.0.0/33"),
            json!("sha256:"),
        ]),
        ".{0,12}".prop_map(Value::from),
    ]
}

/// Goes through all values of a body, and replaces the one whose turn it is.
fn bend(value: &mut Value, turn: &mut usize, with: &Value) {
    if *turn == 0 {
        *value = with.clone();
    }
    *turn = turn.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| bend(item, turn, with)),
        Value::Object(fields) => fields.values_mut().for_each(|field| bend(field, turn, with)),
        _ => {}
    }
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields.values().map(size).sum(),
        _ => 0,
    }
}

/// A recorded body of a kind with up to three values replaced.
pub fn bent(kind: &'static str) -> impl Strategy<Value = Value> {
    let bends = prop::collection::vec((any::<Index>(), hostile()), 0..4);
    (prop::sample::select(bodies(kind)), bends).prop_map(|(mut body, bends)| {
        for (at, with) in bends {
            let mut turn = at.index(size(&body));
            bend(&mut body, &mut turn, &with);
        }
        body
    })
}
