//! Bodies bent out of shape, sent to every route that takes one.

use super::tests::ask;
use proptest::prelude::*;
use serde_json::{Value, json};

const ROUTES: [&str; 20] = [
    "/auth",
    "/swarm/init",
    "/swarm/join",
    "/swarm/leave",
    "/swarm/update?version=1",
    "/swarm/unlock",
    "/nodes/n1234/update?version=1",
    "/services/create",
    "/services/web/update?version=7",
    "/services/web/update?version=7&rollback=previous",
    "/networks/create",
    "/networks/onet/connect",
    "/networks/prune",
    "/secrets/create",
    "/secrets/s/update?version=1",
    "/configs/create",
    "/configs/c/update?version=1",
    "/containers/create",
    "/images/create",
    "/volumes/create",
];

/// Fields that somebody looks at.
const FIELDS: [&str; 24] = [
    "Name",
    "Labels",
    "TaskTemplate",
    "ContainerSpec",
    "Image",
    "Mode",
    "Replicated",
    "Replicas",
    "Global",
    "Networks",
    "Target",
    "Aliases",
    "EndpointSpec",
    "Ports",
    "Data",
    "Driver",
    "IPAM",
    "Config",
    "Subnet",
    "AdvertiseAddr",
    "RemoteAddrs",
    "JoinToken",
    "DefaultAddrPool",
    "Spec",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(1.5),
            json!(""),
            json!("\u{0}"),
            json!("overlay"),
            json!("web"),
            json!("10.0.0.0/8"),
            json!("10.0.0.0/99"),
            json!("::/0"),
            json!("{{.Node.ID}}"),
            json!("ß".repeat(100)),
        ]),
        any::<i64>().prop_map(Value::from),
        ".{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let fields = prop::collection::vec((prop::sample::select(FIELDS.to_vec()), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            fields.prop_map(|fields| Value::Object(
                fields
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn are_answered_in_json_and_never_by_a_fault(body in any_json(), cut in prop::option::of(any::<prop::sample::Index>())) {
        let mut text = body.to_string();
        if let Some(cut) = cut {
            text = text.chars().take(cut.index(text.len())).collect();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for route in ROUTES {
            let (status, answer) = runtime.block_on(ask("POST", route, &text));
            prop_assert!(status < 500 || matches!(status, 501 | 503), "{route} {text}: {status} {answer}");
            if status >= 400 {
                let value: Value = serde_json::from_str(&answer).map_err(|error| {
                    TestCaseError::fail(format!("{route} {text}: {status} {answer}: {error}"))
                })?;
                prop_assert!(value["message"].as_str().is_some_and(|said| !said.is_empty()), "{route}: {answer}");
            } else if !answer.is_empty() {
                prop_assert!(serde_json::from_str::<Value>(&answer).is_ok(), "{route}: {answer}");
            }
        }
    }
}
