//! `/events`: what happens in the cluster, a line of JSON each.

use crate::Error;
use crate::backend::Event;
use crate::filters::Filters;
use crate::routes::{Front, query, stream};
use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::json;

/// `GET /events`. What happened before the call is not kept, so `since` shows nothing older.
pub(crate) async fn follow(State(front): State<Front>, uri: Uri) -> Result<Response, Error> {
    let query = query(&uri);
    let known = [
        "type",
        "event",
        "service",
        "node",
        "secret",
        "config",
        "network",
        "scope",
        "label",
        "container",
        "image",
        "volume",
        "daemon",
        "plugin",
    ];
    let filters = Filters::read(&query, &known)?;
    query.time("since")?;
    let until = query.time("until")?;
    let events = front.backend.events().await?;
    let pieces = events.filter_map(move |event| {
        let piece = match event {
            Ok(event) if shown(&event, &filters) => Some(Ok(render(&event))),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        };
        std::future::ready(piece)
    });
    let end = async move {
        match until {
            Some(until) => {
                let wait = std::time::Duration::try_from(until.duration_since(model::Timestamp::now()));
                tokio::time::sleep(wait.unwrap_or_default()).await;
            }
            None => std::future::pending().await,
        }
    };
    let mut response = stream(Box::pin(pieces.take_until(end.boxed()))).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn shown(event: &Event, filters: &Filters) -> bool {
    let named =
        |wanted: &str| event.id == wanted || event.attributes.get("name").is_some_and(|name| name == wanted);
    filters.any("type", |kind| kind == event.kind)
        && filters.any("event", |action| action == event.action)
        && filters.any("scope", |scope| scope == "swarm")
        && ["service", "node", "secret", "config", "network"]
            .iter()
            .all(|kind| {
                filters.values(kind).next().is_none() || (*kind == event.kind && filters.any(kind, named))
            })
}

fn render(event: &Event) -> Bytes {
    let nanos = event.at.as_nanosecond();
    let line = json!({
        "Type": event.kind,
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "scope": "swarm",
        "time": event.at.as_second(),
        "timeNano": i64::try_from(nanos).unwrap_or(i64::MAX),
    });
    format!("{line}\n").into()
}
