//! Who may ask what.

use super::world::{World, streamed};
use crate::{Place, answer, router};
use bytes::Bytes;
use futures::StreamExt as _;
use std::sync::Arc;

#[tokio::test]
async fn a_role_is_enforced_and_carried_to_the_leader() {
    let ask = async |world: Arc<World>, role: &str, method: &str, path: &str| {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("bramble-role", role)
            .body(Bytes::new())
            .unwrap();
        let (parts, body) = answer(&router(world), streamed(request)).await.into_parts();
        let pieces: Vec<_> = body.map(|piece| piece.unwrap_or_default()).collect().await;
        (
            parts.status.as_u16(),
            String::from_utf8_lossy(&pieces.concat()).into_owned(),
        )
    };
    let world = Arc::<World>::default();
    for (role, method, path, status) in [
        ("view", "GET", "/v1.41/nodes", 200),
        ("view", "POST", "/v1.41/services/create", 403),
        ("", "POST", "/v1.41/services/create", 403),
        ("deploy", "POST", "/v1.41/services/create", 400),
        ("deploy", "GET", "/v1.41/swarm/unlockkey", 403),
        ("deploy", "DELETE", "/v1.41/nodes/n1234", 403),
        ("admin", "GET", "/v1.41/swarm/unlockkey", 200),
    ] {
        let (answered, body) = ask(world.clone(), role, method, path).await;
        assert_eq!(answered, status, "{role} {method} {path}: {body}");
    }
    *world.place.lock().unwrap() = Some(Place::Elsewhere);
    assert_eq!(
        ask(world.clone(), "view", "POST", "/services/create").await.0,
        403
    );
    assert!(world.forwarded.lock().unwrap().is_empty());
    assert_eq!(
        ask(world.clone(), "deploy", "POST", "/services/create").await.0,
        207
    );
    assert_eq!(
        *world.forwarded.lock().unwrap(),
        ["POST /services/create for deploy"]
    );
}

#[tokio::test]
async fn who_deploys_does_not_get_at_the_boards() {
    let spec = r#"{"Name":"x","Mode":{"Replicated":{}},"TaskTemplate":{"ContainerSpec":{"Image":"x",
        "Mounts":[{"Type":"bind","Source":"/run","Target":"/x"}]}}}"#;
    for (role, path, status) in [
        ("deploy", "/services/create", 403),
        ("deploy", "/services/s1234/update?version=1", 403),
        ("admin", "/services/create", 201),
    ] {
        let request = http::Request::builder().method("POST").uri(path);
        let request = request
            .header("bramble-role", role)
            .body(Bytes::from(spec))
            .unwrap();
        let answered = answer(&router(Arc::<World>::default()), streamed(request)).await;
        assert_eq!(answered.status().as_u16(), status, "{role} {path}");
    }
}
