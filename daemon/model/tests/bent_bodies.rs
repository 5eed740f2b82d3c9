//! What is read of a body that was bent out of shape can be written, and read again as the same.

mod bent;

use bent::bent;
use bramble_model::*;
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt::Debug;

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(body: Value) -> Result<(), TestCaseError> {
    let Ok(read) = serde_json::from_value::<T>(body) else {
        return Ok(());
    };
    let written = serde_json::to_string(&read).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let again = serde_json::from_str::<T>(&written)
        .map_err(|error| TestCaseError::fail(format!("{error}: {written}")))?;
    prop_assert_eq!(again, read);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_service_spec(body in bent("ServiceSpec")) {
        if let Ok(spec) = serde_json::from_value::<ServiceSpec>(body.clone()) {
            let _ = Wishes::of_service(&spec);
        }
        comes_back::<ServiceSpec>(body)?;
    }

    #[test]
    fn a_service(body in bent("Service")) {
        comes_back::<Service>(body)?;
    }

    #[test]
    fn a_task(body in bent("Task")) {
        comes_back::<Task>(body)?;
    }

    #[test]
    fn a_node(body in bent("Node")) {
        comes_back::<Node>(body)?;
    }

    #[test]
    fn a_cluster(body in bent("Cluster")) {
        comes_back::<Cluster>(body)?;
    }

    #[test]
    fn words(text in ".{0,40}") {
        let _ = Constraint::parse(&text);
        let _ = Schedule::parse(&text);
        let _ = text.parse::<Subnet>();
    }
}
