//! `GET /containers/{id}/stats`

use super::find;
use crate::Error;
use crate::backend::{Backend, Stream};
use crate::routes::{Front, query, stream};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use model::{LocalContainer, LocalSample};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Between two samples (Docker's).
const PAUSE: Duration = Duration::from_secs(1);

/// `GET /containers/{id}/stats`: a sample a second, or one that is compared with the second before it.
pub(super) async fn stats(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Error> {
    let query = query(&uri);
    let container = find(&front, &id).await?;
    let follow = query.text("stream").is_none() || query.flag("stream");
    if query.flag("one-shot") && follow {
        return Err(Error::Invalid(
            "cannot have stream=true and one-shot=true".to_owned(),
        ));
    }
    let mut before = front.backend.sample(&container).await?;
    if query.flag("one-shot") {
        return Ok(answer(Box::pin(futures::stream::iter([Ok(line(
            &container,
            &LocalSample::default(),
            &before,
        ))]))));
    }
    if !follow {
        tokio::time::sleep(PAUSE).await;
        let now = front.backend.sample(&container).await?;
        before = std::mem::replace(&mut before, now.clone());
        return Ok(answer(Box::pin(futures::stream::iter([Ok(line(
            &container, &before, &now,
        ))]))));
    }
    let begin = Following {
        backend: front.backend.clone(),
        container,
        before: LocalSample::default(),
        first: Some(before),
    };
    Ok(answer(Box::pin(futures::stream::unfold(begin, Following::next))))
}

struct Following {
    backend: Arc<dyn Backend>,
    container: LocalContainer,
    before: LocalSample,
    first: Option<LocalSample>,
}

impl Following {
    async fn next(mut self) -> Option<(Result<Bytes, String>, Self)> {
        let now = match self.first.take() {
            Some(first) => first,
            None => {
                tokio::time::sleep(PAUSE).await;
                // Looked for anew: it may have ended, or be gone.
                let all = self.backend.containers().await.ok()?;
                self.container = all
                    .into_iter()
                    .find(|container| container.id == self.container.id)?;
                self.backend.sample(&self.container).await.ok()?
            }
        };
        let piece = line(&self.container, &self.before, &now);
        self.before = now;
        Some((Ok(piece), self))
    }
}

fn answer(pieces: Stream<Bytes>) -> Response {
    let mut response = stream(pieces).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn line(container: &LocalContainer, before: &LocalSample, now: &LocalSample) -> Bytes {
    format!("{}\n", render(container, before, now)).into()
}

fn render(container: &LocalContainer, before: &LocalSample, now: &LocalSample) -> Value {
    let none = "0001-01-01T00:00:00Z".to_owned();
    let preread = if before.cpu == (0, 0, 0) {
        none
    } else {
        before.at.to_string()
    };
    let mut shown = json!({
        "id": container.id,
        "name": format!("/{}", container.task.name()),
        "read": now.at.to_string(),
        "preread": preread,
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": cpu(now),
        "precpu_stats": cpu(before),
        "memory_stats": {},
        "pids_stats": {},
        "blkio_stats": blocks(now),
    });
    if container.pid == 0 {
        return shown;
    }
    shown["memory_stats"] =
        json!({ "usage": now.memory.0, "stats": now.memory_stats, "limit": now.memory.2 });
    if let Some(most) = now.memory.1 {
        shown["memory_stats"]["max_usage"] = most.into();
    }
    shown["pids_stats"] = json!({ "current": now.pids.0 });
    if let Some(limit) = now.pids.1 {
        shown["pids_stats"]["limit"] = limit.into();
    }
    let names = [
        "rx_bytes",
        "rx_packets",
        "rx_errors",
        "rx_dropped",
        "tx_bytes",
        "tx_packets",
        "tx_errors",
        "tx_dropped",
    ];
    let networks: Map<String, Value> = now
        .networks
        .iter()
        .map(|(interface, counters)| {
            let counters: Map<String, Value> = names
                .iter()
                .zip(counters)
                .map(|(name, count)| ((*name).to_owned(), (*count).into()))
                .collect();
            (interface.clone(), counters.into())
        })
        .collect();
    shown["networks"] = networks.into();
    shown
}

fn cpu(sample: &LocalSample) -> Value {
    let (total, kernel, programs) = sample.cpu;
    let (periods, held, time) = sample.throttled;
    let mut shown = json!({
        "cpu_usage": {
            "total_usage": total,
            "usage_in_kernelmode": kernel,
            "usage_in_usermode": programs,
        },
        "throttling_data": { "periods": periods, "throttled_periods": held, "throttled_time": time },
    });
    if !sample.per_cpu.is_empty() {
        shown["cpu_usage"]["percpu_usage"] = sample.per_cpu.clone().into();
    }
    if sample.board_cpu > 0 {
        shown["system_cpu_usage"] = sample.board_cpu.into();
        shown["online_cpus"] = sample.processors.into();
    }
    shown
}

fn blocks(sample: &LocalSample) -> Value {
    let entries: Vec<Value> = sample
        .blocks
        .iter()
        .map(|(major, minor, op, bytes)| json!({ "major": major, "minor": minor, "op": op, "value": bytes }))
        .collect();
    json!({
        "io_service_bytes_recursive": entries,
        "io_serviced_recursive": null,
        "io_queue_recursive": null,
        "io_service_time_recursive": null,
        "io_wait_time_recursive": null,
        "io_merged_recursive": null,
        "io_time_recursive": null,
        "sectors_recursive": null,
    })
}
