//! `/networks`: those that every board has. Overlays are not built yet.

use crate::Error;
use crate::filters::Filters;
use crate::routes::query;
use axum::Json;
use axum::extract::Path;
use axum::http::Uri;
use serde_json::{Value, json};

/// Networks that every board has; a service names them by name or id, which are the same.
const EVERYWHERE: [&str; 3] = ["bridge", "host", "none"];

/// `GET /networks`
pub(crate) async fn list(uri: Uri) -> Result<Json<Vec<Value>>, Error> {
    let known = ["id", "name", "driver", "scope", "type", "label", "dangling"];
    let filters = Filters::read(&query(&uri), &known)?;
    let shown = EVERYWHERE.into_iter().filter(|name| {
        filters.any("id", |id| name.starts_with(id))
            && filters.any("name", |wanted| name.contains(wanted))
            && filters.any("driver", |driver| driver_of(name) == driver)
            && filters.any("scope", |scope| scope == "local")
            && filters.any("type", |kind| kind == "builtin")
            && filters.labels("label", &Default::default())
    });
    Ok(Json(shown.map(network).collect()))
}

/// `GET /networks/{id}`
pub(crate) async fn inspect(Path(id): Path<String>) -> Result<Json<Value>, Error> {
    match EVERYWHERE.into_iter().find(|name| *name == id) {
        Some(name) => Ok(Json(network(name))),
        None => Err(Error::NotFound(format!("network {id} not found"))),
    }
}

/// Making and changing networks.
pub(crate) async fn not_built() -> Error {
    Error::Unimplemented(
        "overlay networks are not built yet: services can use the networks bridge and host".to_owned(),
    )
}

fn driver_of(name: &str) -> &str {
    if name == "none" { "null" } else { name }
}

fn network(name: &str) -> Value {
    json!({
        "Name": name,
        "Id": name,
        "Created": "0001-01-01T00:00:00Z",
        "Scope": "local",
        "Driver": driver_of(name),
        "EnableIPv4": true,
        "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Options": null, "Config": [] },
        "Internal": false,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": {},
        "Options": {},
        "Labels": {},
    })
}
