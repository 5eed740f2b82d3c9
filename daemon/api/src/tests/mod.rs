//! The API at its door, with a small world behind it.

mod roles;
mod volumes;
mod world;

pub(super) use world::{World, ask};

use crate::{Error, Place};
use proptest::prelude::*;
use std::sync::Arc;
use world::ask_world;

#[tokio::test]
async fn ping_says_what_the_docker_command_looks_for() {
    for method in ["HEAD", "GET"] {
        let (status, headers, body) = ask_world(Arc::default(), method, "/_ping", "").await;
        assert_eq!((status, headers["api-version"].to_str().unwrap()), (200, "1.51"));
        assert_eq!(headers["swarm"], "active/manager");
        assert_eq!(body, if method == "HEAD" { "" } else { "OK" });
    }
}

#[tokio::test]
async fn events_of_the_past_are_told_as_far_as_they_fit() {
    for (query, seconds) in [
        ("until=400", vec![100, 200, 250, 300]),
        ("since=150&until=400", vec![200, 250, 300]),
        (
            "since=150&until=400&filters=%7B%22scope%22%3A%5B%22local%22%5D%7D",
            vec![250],
        ),
        (
            "since=150&until=400&filters=%7B%22event%22%3A%5B%22exec_create%22%5D%7D",
            vec![250],
        ),
        ("since=150&until=250", vec![200, 250]),
        (
            "until=400&filters=%7B%22type%22%3A%5B%22service%22%5D%7D",
            vec![100, 300],
        ),
        ("until=400&filters=%7B%22node%22%3A%5B%22we%22%5D%7D", vec![200]),
        (
            "until=400&filters=%7B%22container%22%3A%5B%22web%22%5D%7D",
            vec![250],
        ),
        (
            "until=400&filters=%7B%22label%22%3A%5B%22name%3Ddb%22%5D%7D",
            vec![],
        ),
    ] {
        let (status, body) = ask("GET", &format!("/events?{query}"), "").await;
        assert_eq!(status, 200);
        let time = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["time"]
                .as_i64()
                .unwrap()
        };
        assert_eq!(body.lines().map(time).collect::<Vec<_>>(), seconds, "{query}");
    }
}

#[tokio::test]
async fn errors_have_dockers_code_and_form() {
    for (method, path, body, status, says) in [
        ("GET", "/nothing", "", 404, "page not found"),
        ("PUT", "/v1.41/services", "", 404, "page not found"),
        ("GET", "/v1.99/info", "", 400, "too new"),
        ("GET", "/services/x", "", 404, "service x not found"),
        ("POST", "/services/create", "{", 400, "invalid JSON"),
        ("POST", "/services/create", "", 400, "invalid JSON"),
        ("POST", "/services/create", "{\"Name\":\"web\"}", 409, "taken"),
        ("POST", "/services/web/update", "{}", 400, "invalid version"),
        (
            "POST",
            "/services/web/update?version=1",
            "{}",
            500,
            "out of sequence",
        ),
        (
            "POST",
            "/services/web/update?version=7&rollback=next",
            "{}",
            400,
            "rollback option",
        ),
        ("POST", "/swarm/leave", "", 503, "a manager"),
        ("POST", "/containers/create", "{}", 501, "docker service"),
        ("GET", "/containers/x/json", "", 404, "No such container: x"),
        (
            "POST",
            "/networks/create",
            "{\"Name\":\"n\",\"Driver\":\"bridge\"}",
            501,
            "-d overlay n",
        ),
        (
            "POST",
            "/networks/create",
            "{\"Name\":\"host\",\"Driver\":\"overlay\"}",
            403,
            "not permitted on predefined host network",
        ),
        (
            "POST",
            "/networks/create",
            "{\"Name\":\"onet\",\"Driver\":\"overlay\"}",
            409,
            "network with name onet already exists",
        ),
        (
            "POST",
            "/networks/create",
            "{\"Name\":\"n\",\"Driver\":\"overlay\",\"IPAM\":{\"Config\":[{\"AuxiliaryAddresses\":{\"a\":\"10.0.0.9\"}}]}}",
            501,
            "auxiliary addresses",
        ),
        (
            "DELETE",
            "/networks/bridge",
            "",
            403,
            "pre-defined network and cannot be removed",
        ),
        ("POST", "/networks/onet/connect", "{}", 501, "--network-add"),
        (
            "POST",
            "/networks/prune?filters=%7B%22until%22%3A%5B%22soon%22%5D%7D",
            "",
            400,
            "until=soon",
        ),
        (
            "GET",
            "/networks/onet?scope=local",
            "",
            404,
            "network onet not found",
        ),
        ("GET", "/networks/x", "", 404, "network x not found"),
        ("GET", "/tasks?filters=x", "", 400, "invalid filters"),
    ] {
        let (code, text) = ask(method, path, body).await;
        assert_eq!(code, status, "{method} {path}: {text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(
            value["message"].as_str().unwrap().contains(says),
            "{method} {path}: {text}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_by_its_length() {
    let body = "x".repeat(crate::body::MAX_BODY + 1);
    assert_eq!(ask("POST", "/services/create", &body).await.0, 413);
}

#[tokio::test]
async fn lists_are_filtered_and_counted() {
    let count = |text: String| {
        serde_json::from_str::<Vec<serde_json::Value>>(&text)
            .unwrap()
            .len()
    };
    for (path, expected) in [
        ("/services", 1),
        ("/services?filters=%7B%22name%22%3A%5B%22we%22%5D%7D", 1),
        ("/services?filters=%7B%22name%22%3A%5B%22db%22%5D%7D", 0),
        ("/tasks?filters=%7B%22service%22%3A%7B%22web%22%3Atrue%7D%7D", 1),
        ("/tasks?filters=%7B%22node%22%3A%5B%22board-2%22%5D%7D", 0),
        (
            "/tasks?filters=%7B%22desired-state%22%3A%5B%22shutdown%22%5D%7D",
            0,
        ),
        ("/nodes?filters=%7B%22role%22%3A%5B%22worker%22%5D%7D", 0),
        ("/networks", 4),
        ("/networks?filters=%7B%22scope%22%3A%5B%22swarm%22%5D%7D", 1),
        ("/networks?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D", 1),
        ("/networks?filters=%7B%22type%22%3A%5B%22builtin%22%5D%7D", 3),
        ("/networks?filters=%7B%22label%22%3A%5B%22a%22%5D%7D", 0),
    ] {
        let (status, text) = ask("GET", path, "").await;
        assert_eq!((status, count(text)), (200, expected), "{path}");
    }
    let (_, text) = ask("GET", "/v1.41/services?status=true", "").await;
    assert!(
        text.contains("\"ServiceStatus\":{\"RunningTasks\":1,\"DesiredTasks\":2"),
        "{text}"
    );
}

/// As recorded from Docker's engine (with `EnableIPv4`, which newer ones add).
#[tokio::test]
async fn a_network_is_shown_as_docker_shows_it() {
    for id in ["onet", "o1234", "o12"] {
        let (status, text) = ask("GET", &format!("/v1.41/networks/{id}?scope=swarm"), "").await;
        let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "Name": "onet", "Id": "o1234", "Created": "1970-01-01T00:00:00Z", "Scope": "swarm", "Driver": "overlay",
            "EnableIPv4": true, "EnableIPv6": false,
            "IPAM": {"Driver": "default", "Options": null, "Config": [{"Subnet": "10.0.1.0/24", "Gateway": "10.0.1.1"}]},
            "Internal": false, "Attachable": false, "Ingress": false, "ConfigFrom": {"Network": ""},
            "ConfigOnly": false, "Containers": null, "Options": null, "Labels": null,
        });
        assert_eq!((status, shown), (200, expected));
    }
    let (_, text) = ask("GET", "/networks/onet?verbose=true", "").await;
    assert!(text.contains("\"Services\":{}"), "{text}");
    let body = "{\"Name\":\"two\",\"Driver\":\"overlay\",\"CheckDuplicate\":true}";
    let (status, text) = ask("POST", "/networks/create", body).await;
    assert_eq!(
        (status, text.as_str()),
        (201, "{\"Id\":\"o5678\",\"Warning\":\"\"}")
    );
    assert_eq!(ask("DELETE", "/networks/o12", "").await, (204, String::new()));
    let (_, text) = ask("POST", "/networks/prune", "").await;
    assert_eq!(text, "{\"NetworksDeleted\":[\"onet\"]}");
}

#[tokio::test]
async fn a_follower_passes_on_what_only_the_leader_knows() {
    let world = Arc::new(World::default());
    *world.place.lock().unwrap() = Some(Place::Elsewhere);
    let (status, _, body) = ask_world(world.clone(), "POST", "/v1.41/services/create?x=1", "{}").await;
    assert_eq!((status, body.as_str()), (207, "from the leader"));
    assert_eq!(
        *world.forwarded.lock().unwrap(),
        ["POST /services/create?x=1 for admin"]
    );
    assert_eq!(ask_world(world.clone(), "GET", "/_ping", "").await.0, 200);
    assert_eq!(world.forwarded.lock().unwrap().len(), 1);

    *world.place.lock().unwrap() = Some(Place::Nobody(Error::Unavailable("no leader".into())));
    let (status, _, body) = ask_world(world, "GET", "/nodes", "").await;
    assert_eq!((status, body.as_str()), (503, "{\"message\":\"no leader\"}"));
}

#[tokio::test]
async fn logs_are_framed_and_trouble_is_told() {
    let (status, text) = ask("GET", "/services/web/logs?stdout=1&details=1", "").await;
    assert_eq!(status, 200);
    assert!(text.starts_with("\u{1}\0\0\0\0\0\0"), "{text:?}");
    assert!(text.contains("com.docker.swarm.task.id=t1234 hi\n"));
    assert!(text.contains("\u{3}\0\0\0"), "{text:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is sent, a handler answers, and never with a fault of its own.
    #[test]
    fn no_input_is_a_fault(
        route in 0..8usize,
        query in "[a-z=&%0-9{}\":]{0,40}",
        body in "[\\[\\]{}\",:a-zA-Z0-9.\\-]{0,80}",
    ) {
        let routes = [
            ("GET", "/services"), ("GET", "/tasks"), ("GET", "/nodes"), ("GET", "/services/web/logs"),
            ("POST", "/services/create"), ("POST", "/nodes/n1234/update"), ("POST", "/swarm/init"), ("GET", "/events"),
        ];
        let (method, path) = routes[route];
        let Ok(uri) = format!("{path}?{query}").parse::<http::Uri>() else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (status, text) = runtime.block_on(ask(method, &uri.to_string(), &body));
        prop_assert!(status < 500 || status == 501 || status == 503, "{status} {text}");
    }
}

#[tokio::test]
async fn a_bundle_goes_to_the_board_that_it_is_for() {
    let (status, said) = ask("POST", "/bramble/board/update", "bundle").await;
    let steps: Vec<&str> = said.trim().lines().collect();
    assert_eq!(status, 200);
    assert!(steps[0].contains("\"50 % 6 of None\""), "{said}");
    assert!(
        steps[1].contains("\"error\":\"LastError: x\"") && steps[1].contains("errorDetail"),
        "{said}"
    );
    let (status, said) = ask("POST", "/v1.41/bramble/nodes/board-1/update", "bad").await;
    assert_eq!((status, said.contains("refused")), (400, true));
    let (status, said) = ask("POST", "/bramble/nodes/m12/update", "bundle").await;
    let passed = "POST /bramble/board/update bundle to board-2 by admin";
    assert_eq!((status, said.as_str()), (200, passed));
    assert_eq!(ask("POST", "/bramble/nodes/none/update", "bundle").await.0, 404);

    let world = World::default();
    *world.place.lock().unwrap() = Some(Place::Nobody(Error::Unavailable("not a manager".into())));
    let (status, _, said) = ask_world(Arc::new(world), "POST", "/bramble/nodes/m12/update", "x").await;
    assert_eq!((status, said.contains("not a manager")), (503, true));
}
