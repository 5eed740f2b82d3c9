//! Volumes.

use super::world::{World, streamed};
use crate::{answer, router};
use bytes::Bytes;
use futures::StreamExt as _;
use std::sync::Arc;

#[tokio::test]
async fn volumes_are_filtered_and_pruned_as_docker_does() {
    let routes = router(Arc::new(World::default()));
    let ask = |method: &'static str, path: String| {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("bramble-role", "admin")
            .body(Bytes::new())
            .unwrap();
        let routes = routes.clone();
        async move {
            let answer = answer(&routes, streamed(request)).await;
            let status = answer.status().as_u16();
            let pieces: Vec<_> = answer.into_body().map(|piece| piece.unwrap()).collect().await;
            (status, String::from_utf8(pieces.concat()).unwrap())
        }
    };
    let filtered = |filters: &str| {
        let encoded: String = form_urlencoded::byte_serialize(filters.as_bytes()).collect();
        format!("filters={encoded}")
    };
    let names = |body: &str| {
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        let all = value["Volumes"].as_array().unwrap().clone();
        all.iter()
            .map(|volume| volume["Name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&ask("GET", "/volumes".to_owned()).await.1), ["data", "0a"]);
    for (filters, found) in [
        (r#"{"dangling":["true"]}"#, vec!["0a"]),
        (r#"{"dangling":["0"]}"#, vec!["data"]),
        (r#"{"name":["at"]}"#, vec!["data"]),
        (r#"{"label":["use"],"driver":["local"]}"#, vec!["data"]),
        (r#"{"driver":["nfs"]}"#, vec![]),
    ] {
        assert_eq!(
            names(&ask("GET", format!("/volumes?{}", filtered(filters))).await.1),
            found,
            "{filters}"
        );
    }
    for bad in [r#"{"dangling":["maybe"]}"#, r#"{"size":["1"]}"#] {
        assert_eq!(ask("GET", format!("/volumes?{}", filtered(bad))).await.0, 400);
    }
    let (status, body) = ask("GET", "/volumes/none".to_owned()).await;
    assert_eq!(
        (status, body.as_str()),
        (404, r#"{"message":"get none: no such volume"}"#)
    );
    // Only what nobody named goes by itself, since API 1.42.
    for (path, pruned) in [
        ("/v1.42/volumes/prune".to_owned(), r#"["0a"]"#),
        ("/v1.41/volumes/prune".to_owned(), r#"["data","0a"]"#),
        (
            format!("/v1.51/volumes/prune?{}", filtered(r#"{"all":["1"]}"#)),
            r#"["data","0a"]"#,
        ),
        (
            format!("/volumes/prune?{}", filtered(r#"{"all":["1"],"label!":["use"]}"#)),
            r#"["0a"]"#,
        ),
    ] {
        let (status, body) = ask("POST", path).await;
        assert_eq!(status, 200);
        assert!(body.contains(pruned), "{body}");
    }
    assert_eq!(ask("PUT", "/volumes/data?version=1".to_owned()).await.0, 501);
    assert_eq!(ask("DELETE", "/volumes/data".to_owned()).await.0, 204);
}
