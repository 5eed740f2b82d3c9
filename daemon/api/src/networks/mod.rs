//! `/networks`: those that every board has, and the cluster's overlays.

mod create;
mod prune;
mod show;

use crate::Error;
use crate::backend::Backend;
use crate::filters::Filters;
use crate::find::find;
use crate::routes::{Front, query};
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::routing::{get, post};
use axum::{Json, Router};
use model::{Network, PREDEFINED, Service};
use serde_json::Value;
use show::World;

/// The routes.
pub(crate) fn routes() -> Router<Front> {
    Router::new()
        .route("/networks", get(list))
        .route("/networks/create", post(create::create))
        .route("/networks/prune", post(prune::prune))
        .route("/networks/{id}", get(inspect).delete(remove))
        .route("/networks/{id}/connect", post(no_containers))
        .route("/networks/{id}/disconnect", post(no_containers))
}

/// `GET /networks`
async fn list(State(front): State<Front>, uri: Uri) -> Result<Json<Vec<Value>>, Error> {
    let known = ["id", "name", "driver", "scope", "type", "label", "dangling"];
    let filters = Filters::read(&query(&uri), &known)?;
    for kind in filters.values("type") {
        if !matches!(kind, "custom" | "builtin") {
            return Err(Error::Invalid(format!("invalid filter 'type={kind}'")));
        }
    }
    for value in filters.values("dangling") {
        if !matches!(value, "true" | "false" | "1" | "0") {
            return Err(Error::Invalid(format!("invalid filter 'dangling={value}'")));
        }
    }
    let (mut overlays, services) = (front.backend.networks().await?, front.backend.services().await?);
    overlays.retain(|network| {
        let unused = !network.is_ingress() && !is_used(network, &services);
        shown(&filters, network.id.as_str(), &network.spec.name, "overlay")
            && filters.any("scope", |scope| scope == "swarm")
            && filters.any("type", |kind| kind == "custom")
            && filters.any("dangling", |wanted| matches!(wanted, "true" | "1") == unused)
            && filters.labels("label", &network.spec.labels)
    });
    let local = PREDEFINED.into_iter().filter(|name| {
        shown(&filters, name, name, show::driver_of(name))
            && filters.any("scope", |scope| scope == "local")
            && filters.any("type", |kind| kind == "builtin")
            && filters.any("dangling", |wanted| !matches!(wanted, "true" | "1"))
            && filters.labels("label", &Default::default())
    });
    let overlays = overlays.iter().map(show::overlay);
    Ok(Json(overlays.chain(local.map(show::predefined)).collect()))
}

fn shown(filters: &Filters, id: &str, name: &str, driver: &str) -> bool {
    filters.any("id", |wanted| id.starts_with(wanted))
        && filters.any("name", |wanted| name.contains(wanted))
        && filters.any("driver", |wanted| driver == wanted)
}

fn is_used(network: &Network, services: &[Service]) -> bool {
    services.iter().any(|service| {
        let networks = service.spec.networks();
        networks.iter().any(|wish| wish.target() == network.id.as_str())
    })
}

/// `GET /networks/{id}`
async fn inspect(State(front): State<Front>, Path(id): Path<String>, uri: Uri) -> Result<Json<Value>, Error> {
    let query = query(&uri);
    let scope = query.text("scope").unwrap_or_default();
    if !matches!(scope, "" | "swarm" | "local" | "global") {
        return Err(Error::Invalid(format!("invalid scope '{scope}'")));
    }
    // A service may be on a board's own network, which the docker command looks for among the swarm's.
    if let Some(name) = PREDEFINED.into_iter().find(|name| *name == id) {
        return Ok(Json(show::predefined(name)));
    }
    if !matches!(scope, "" | "swarm") {
        return Err(Error::NotFound(format!("network {id} not found")));
    }
    let network = find(front.backend.networks().await?, &id)?;
    let world = World::of(&*front.backend, &network).await?;
    let mut shown = show::overlay(&network);
    show::people(&mut shown, &network, &world, query.flag("verbose"));
    Ok(Json(shown))
}

/// `DELETE /networks/{id}`
async fn remove(State(front): State<Front>, Path(id): Path<String>) -> Result<StatusCode, Error> {
    if PREDEFINED.contains(&id.as_str()) {
        return Err(Error::Forbidden(format!(
            "{id} is a pre-defined network and cannot be removed"
        )));
    }
    let network = find(front.backend.networks().await?, &id)?;
    front.backend.remove_network(&network.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /networks/{id}/connect` and `disconnect`
async fn no_containers(State(front): State<Front>, Path(id): Path<String>) -> Result<(), Error> {
    if !PREDEFINED.contains(&id.as_str()) {
        find(front.backend.networks().await?, &id)?;
    }
    Err(Error::Unimplemented(
        "plain containers can't be connected to networks here: services can (docker service update --network-add)"
            .to_owned(),
    ))
}

/// The overlay of this name.
async fn named(backend: &dyn Backend, name: &str) -> Result<Option<Network>, Error> {
    let networks = backend.networks().await?;
    Ok(networks.into_iter().find(|network| network.spec.name == name))
}
