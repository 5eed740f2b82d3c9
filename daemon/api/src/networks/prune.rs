//! `POST /networks/prune`

use crate::Error;
use crate::filters::Filters;
use crate::routes::{Front, query};
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use model::{Labels, Timestamp};
use serde_json::{Value, json};

/// Removes the overlays that no service is in.
pub(super) async fn prune(State(front): State<Front>, uri: Uri) -> Result<Json<Value>, Error> {
    let filters = Filters::read(&query(&uri), &["until", "label", "label!"])?;
    let until = match filters.values("until").next() {
        None => Timestamp::MAX,
        Some(text) => moment(text)?,
    };
    let services = front.backend.services().await?;
    let mut deleted = Vec::new();
    for network in front.backend.networks().await? {
        let keeps = network.is_ingress()
            || super::is_used(&network, &services)
            || network.meta.created_at > until
            || !filters.labels("label", &network.spec.labels)
            || filters
                .values("label!")
                .any(|label| has(&network.spec.labels, label));
        if keeps {
            continue;
        }
        match front.backend.remove_network(&network.id).await {
            Ok(()) => deleted.push(network.spec.name),
            // Somebody came or went meanwhile: as with Docker, that is no error.
            Err(Error::Invalid(_) | Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Json(json!({ "NetworksDeleted": deleted })))
}

fn has(labels: &Labels, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((name, value)) => labels.get(name).is_some_and(|known| known == value),
        None => labels.contains_key(wanted),
    }
}

/// A point in time: seconds since 1970, RFC 3339, or so long ago (`10m`, `1h30m`).
fn moment(text: &str) -> Result<Timestamp, Error> {
    let seconds = || Timestamp::from_second(text.parse().ok()?).ok();
    let ago = || {
        let span: jiff::SignedDuration = text.parse().ok()?;
        Timestamp::now().checked_sub(span).ok()
    };
    text.parse()
        .ok()
        .or_else(seconds)
        .or_else(ago)
        .ok_or_else(|| Error::Invalid(format!("invalid filter 'until={text}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_absolute_or_so_long_ago() {
        assert_eq!(moment("0").unwrap(), Timestamp::UNIX_EPOCH);
        assert_eq!(moment("1970-01-01T00:00:00Z").unwrap(), Timestamp::UNIX_EPOCH);
        assert!(moment("1h30m").unwrap() < Timestamp::now());
        assert!(moment("soon").is_err());
    }
}
