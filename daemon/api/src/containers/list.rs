//! `GET /containers/json`

use super::filter::Wish;
use super::{inspect, words};
use crate::Error;
use crate::routes::{Front, query};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use model::{LocalContainer, LocalPort, Timestamp, container_labels};
use serde_json::{Value, json};

/// `GET /containers/json`
pub(super) async fn list(State(front): State<Front>, uri: Uri) -> Result<Json<Value>, Error> {
    let query = query(&uri);
    let wish = Wish::read(&query)?;
    let chosen = wish.choose(front.backend.containers().await?)?;
    let mut all = Vec::new();
    for container in &chosen {
        let mut shown = summary(container, Timestamp::now());
        if query.flag("size") {
            let (changed, image) = front.backend.sizes(container).await?;
            shown["SizeRw"] = changed.into();
            shown["SizeRootFs"] = (changed + image).into();
        }
        all.push(shown);
    }
    Ok(Json(all.into()))
}

/// A line of `docker ps`.
pub(crate) fn summary(container: &LocalContainer, now: Timestamp) -> Value {
    json!({
        "Id": container.id,
        "Names": [format!("/{}", container.task.name())],
        "Image": words::image(container),
        "ImageID": container.image_id,
        "Command": words::command(&container.args),
        "Created": container.created.as_second(),
        "Ports": container.ports.iter().flat_map(port).collect::<Vec<_>>(),
        "Labels": container_labels(&container.task),
        "State": container.state.as_str(),
        "Status": words::status(container, now),
        "HostConfig": { "NetworkMode": inspect::network_mode(container) },
        "NetworkSettings": { "Networks": inspect::networks(container) },
        "Mounts": container.mounts.iter().map(inspect::mount).collect::<Vec<_>>(),
    })
}

/// A port of the board is one of its IPv4 addresses: tasks have no others.
fn port(port: &LocalPort) -> Vec<Value> {
    match port.published {
        None => vec![json!({ "PrivatePort": port.target, "Type": port.protocol })],
        Some(published) => vec![
            json!({ "IP": "0.0.0.0", "PrivatePort": port.target, "PublicPort": published, "Type": port.protocol }),
        ],
    }
}
