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

/// Kinds that Docker's engine tells of, as filters name them.
const KINDS: [&str; 10] = [
    "service",
    "node",
    "secret",
    "config",
    "network",
    "container",
    "image",
    "volume",
    "daemon",
    "plugin",
];

/// `GET /events`. With neither `since` nor `until` nothing of the past is told, as with Docker.
pub(crate) async fn follow(State(front): State<Front>, uri: Uri) -> Result<Response, Error> {
    let query = query(&uri);
    let mut known = vec!["type", "event", "scope", "label"];
    known.extend(KINDS);
    let filters = Filters::read(&query, &known)?;
    let (since, until) = (query.time("since")?, query.time("until")?);
    let since = since.or(until.map(|_| model::Timestamp::MIN));
    let events = front.backend.events(since).await?;
    let in_time = |event: &Event| until.is_none_or(|until| event.at <= until);
    let past: Vec<_> = events.past.into_iter().filter(in_time).map(Ok).collect();
    let coming = events.coming.take_until(end(until).boxed());
    let pieces = futures::stream::iter(past)
        .chain(coming)
        .filter_map(move |event| {
            let piece = match event {
                Ok(event) if shown(&event, &filters) => Some(Ok(render(&event))),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            };
            std::future::ready(piece)
        });
    let mut response = stream(Box::pin(pieces)).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// When nothing more is to be told.
async fn end(until: Option<model::Timestamp>) {
    match until {
        Some(until) => {
            let wait = std::time::Duration::try_from(until.duration_since(model::Timestamp::now()));
            tokio::time::sleep(wait.unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}

fn shown(event: &Event, filters: &Filters) -> bool {
    let name = event.attributes.get("name");
    let named =
        |wanted: &str| event.id.starts_with(wanted) || name.is_some_and(|name| name.starts_with(wanted));
    filters.any("type", |kind| kind == event.kind)
        && filters.any("event", |action| action == event.action)
        && filters.any("scope", |scope| scope == "swarm")
        && filters.labels("label", &event.attributes)
        && KINDS.iter().all(|kind| {
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
