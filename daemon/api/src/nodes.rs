//! `/nodes`

use crate::filters::Filters;
use crate::find::find;
use crate::routes::{Front, query};
use crate::{Error, body};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::Uri;
use model::{Node, NodeRole};

/// `GET /nodes`
pub(crate) async fn list(State(front): State<Front>, uri: Uri) -> Result<Json<Vec<Node>>, Error> {
    let known = ["id", "name", "label", "node.label", "role", "membership"];
    let filters = Filters::read(&query(&uri), &known)?;
    for role in filters.values("role") {
        if !matches!(role, "manager" | "worker") {
            return Err(Error::Invalid(format!("Invalid role filter: '{role}'")));
        }
    }
    let mut nodes = front.backend.nodes().await?;
    nodes.retain(|node| {
        let role = match node.membership.role {
            NodeRole::Manager => "manager",
            NodeRole::Worker => "worker",
        };
        filters.any("id", |id| node.id.as_str().starts_with(id))
            && filters.any("name", |name| node.description.hostname.starts_with(name))
            && filters.any("role", |wanted| wanted == role)
            && filters.any("membership", |membership| membership == "accepted")
            && filters.labels("node.label", &node.spec.labels)
            && filters.labels(
                "label",
                node.description
                    .engine
                    .labels
                    .as_ref()
                    .unwrap_or(&Default::default()),
            )
    });
    Ok(Json(nodes))
}

/// `GET /nodes/{id}`
pub(crate) async fn inspect(State(front): State<Front>, Path(id): Path<String>) -> Result<Json<Node>, Error> {
    find(front.backend.nodes().await?, &id).map(Json)
}

/// `POST /nodes/{id}/update`
pub(crate) async fn update(
    State(front): State<Front>,
    Path(id): Path<String>,
    request: Request,
) -> Result<(), Error> {
    let (parts, body) = request.into_parts();
    let version = query(&parts.uri).version()?;
    let spec = body::json(&body::read(&parts.headers, body).await?)?;
    let node = find(front.backend.nodes().await?, &id)?;
    front.backend.update_node(&node.id, version, spec).await
}

/// `DELETE /nodes/{id}`
pub(crate) async fn remove(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<(), Error> {
    let node = find(front.backend.nodes().await?, &id)?;
    front
        .backend
        .remove_node(&node.id, query(&uri).flag("force"))
        .await
}
