//! `/events`: what happens in the cluster and to this board's containers and images, a line of JSON each.

use crate::Error;
use crate::backend::Event;
use crate::filters::Filters;
use crate::routes::{Front, query, stream};
use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use model::{Labels, LocalEvent, Timestamp};
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
    let since = since.or(until.map(|_| Timestamp::MIN));
    let (here, coming_here) = front.backend.happenings(since);
    let mut past: Vec<Told> = here.into_iter().map(Told::from).collect();
    let mut coming = coming_here.map(|event| event.map(Told::from)).boxed();
    // Only managers know what happens in the cluster; a board that is none tells of itself, as with Docker.
    if let Ok(events) = front.backend.events(since).await {
        past.extend(events.past.into_iter().map(Told::from));
        let of_cluster = events.coming.map(|event| event.map(Told::from));
        coming = futures::stream::select(coming, of_cluster).boxed();
    }
    past.retain(|event| until.is_none_or(|until| event.at <= until));
    past.sort_by_key(|event| event.at);
    let coming = coming.take_until(end(until).boxed());
    let pieces = futures::stream::iter(past.into_iter().map(Ok))
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
async fn end(until: Option<Timestamp>) {
    match until {
        Some(until) => {
            let wait = std::time::Duration::try_from(until.duration_since(Timestamp::now()));
            tokio::time::sleep(wait.unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}

/// What is told, of the cluster or of this board.
struct Told {
    kind: &'static str,
    action: String,
    id: String,
    attributes: Labels,
    at: Timestamp,
    scope: &'static str,
}

impl From<Event> for Told {
    fn from(event: Event) -> Self {
        Self {
            kind: event.kind,
            action: event.action.to_owned(),
            id: event.id,
            attributes: event.attributes,
            at: event.at,
            scope: "swarm",
        }
    }
}

impl From<LocalEvent> for Told {
    fn from(event: LocalEvent) -> Self {
        Self {
            kind: event.kind,
            action: event.action,
            id: event.id,
            attributes: event.attributes,
            at: event.at,
            scope: "local",
        }
    }
}

fn shown(event: &Told, filters: &Filters) -> bool {
    let name = event.attributes.get("name");
    let named =
        |wanted: &str| event.id.starts_with(wanted) || name.is_some_and(|name| name.starts_with(wanted));
    filters.any("type", |kind| kind == event.kind)
        && filters.any("event", |action| {
            // `exec_create: sh` is found by its first word.
            event.action.split(':').next() == Some(action) || event.action == action
        })
        && filters.any("scope", |scope| scope == event.scope)
        && filters.labels("label", &event.attributes)
        && KINDS.iter().all(|kind| {
            filters.values(kind).next().is_none() || (*kind == event.kind && filters.any(kind, named))
        })
}

fn render(event: &Told) -> Bytes {
    let nanos = event.at.as_nanosecond();
    let mut line = json!({
        "Type": event.kind,
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "scope": event.scope,
        "time": event.at.as_second(),
        "timeNano": i64::try_from(nanos).unwrap_or(i64::MAX),
    });
    if event.scope == "local" {
        // As Docker has had it since before there were other kinds.
        line["status"] = json!(event.action);
        line["id"] = json!(event.id);
        if let Some(image) = event.attributes.get("image") {
            line["from"] = json!(image);
        }
    }
    format!("{line}\n").into()
}
