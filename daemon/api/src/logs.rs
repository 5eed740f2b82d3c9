//! `/services/{id}/logs` and `/tasks/{id}/logs`: Docker's framed streams.

use crate::Error;
use crate::backend::{LogLine, LogWish};
use crate::find::find;
use crate::query::Query;
use crate::routes::{Front, query, stream};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::StreamExt as _;

/// `GET /services/{id}/logs`
pub(crate) async fn of_service(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Error> {
    let wish = wish(&query(&uri))?;
    let service = find(front.backend.services().await?, &id)?;
    let tty = service
        .spec
        .task_template
        .container_spec
        .as_ref()
        .and_then(|spec| spec.tty)
        .unwrap_or(false);
    let wish = LogWish {
        service: Some(service.id),
        ..wish
    };
    answer(&front, wish, Format::read(&query(&uri), tty)).await
}

/// `GET /tasks/{id}/logs`
pub(crate) async fn of_task(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Error> {
    let wish = wish(&query(&uri))?;
    let task = find(front.backend.tasks(None).await?, &id)?;
    let tty = task
        .spec
        .container_spec
        .as_ref()
        .and_then(|spec| spec.tty)
        .unwrap_or(false);
    let wish = LogWish {
        task: Some(task.id),
        ..wish
    };
    answer(&front, wish, Format::read(&query(&uri), tty)).await
}

pub(crate) fn wish(query: &Query) -> Result<LogWish, Error> {
    let (stdout, stderr) = (query.flag("stdout"), query.flag("stderr"));
    if !stdout && !stderr {
        return Err(Error::Invalid(
            "Bad parameters: you must choose at least one stream".to_owned(),
        ));
    }
    let tail = match query.text("tail") {
        None | Some("all") => None,
        Some(text) => Some(
            text.parse()
                .map_err(|_| Error::Invalid(format!("invalid tail '{text}': a number or all")))?,
        ),
    };
    Ok(LogWish {
        stdout,
        stderr,
        follow: query.flag("follow"),
        tail,
        since: query.time("since")?,
        until: query.time("until")?,
        ..LogWish::default()
    })
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Format {
    timestamps: bool,
    details: bool,
    /// A terminal's stream is raw; others carry a header of 8 bytes a line.
    raw: bool,
}

impl Format {
    fn read(query: &Query, tty: bool) -> Self {
        Self {
            timestamps: query.flag("timestamps"),
            details: query.flag("details"),
            raw: tty,
        }
    }

    fn write(self, line: &LogLine) -> Bytes {
        let mut text = String::new();
        if self.timestamps {
            text.push_str(&format!("{:.9} ", line.at));
        }
        if self.details {
            text.push_str(&format!(
                "com.docker.swarm.node.id={},com.docker.swarm.service.id={},com.docker.swarm.task.id={} ",
                line.node, line.service, line.task
            ));
        }
        let length = text.len() + line.data.len();
        let mut out = BytesMut::with_capacity(8 + length);
        if !self.raw {
            out.put_slice(&[if line.stderr { 2 } else { 1 }, 0, 0, 0]);
            out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        }
        out.put_slice(text.as_bytes());
        out.put_slice(&line.data);
        out.freeze()
    }
}

async fn answer(front: &Front, wish: LogWish, format: Format) -> Result<Response, Error> {
    let lines = front.backend.logs(wish).await?;
    let pieces = lines
        .map(move |line| Ok(line.map_or_else(|error| trouble(&error, format), |line| format.write(&line))));
    let mut response = stream(Box::pin(pieces)).into_response();
    let kind = match format.raw {
        true => "application/vnd.docker.raw-stream",
        false => "application/vnd.docker.multiplexed-stream",
    };
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

/// An error in the middle of a stream: Docker's stream type 3, which the docker command shows as an error.
fn trouble(error: &str, format: Format) -> Bytes {
    let text = format!("error from daemon in stream: {error}\n");
    let mut out = BytesMut::new();
    if !format.raw {
        out.put_slice(&[3, 0, 0, 0]);
        out.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    }
    out.put_slice(text.as_bytes());
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> LogLine {
        LogLine {
            node: "n".into(),
            service: "s".into(),
            task: "t".into(),
            stderr: true,
            at: "2024-01-01T00:00:00.5Z".parse().unwrap(),
            data: Bytes::from_static(b"hello\n"),
        }
    }

    #[test]
    fn a_line_is_framed_as_docker_does() {
        let plain = Format {
            timestamps: false,
            details: false,
            raw: false,
        };
        assert_eq!(&plain.write(&line())[..], b"\x02\0\0\0\0\0\0\x06hello\n");
        let all = Format {
            timestamps: true,
            details: true,
            raw: true,
        };
        let text = String::from_utf8(all.write(&line()).to_vec()).unwrap();
        assert_eq!(
            text,
            "2024-01-01T00:00:00.500000000Z com.docker.swarm.node.id=n,com.docker.swarm.service.id=s,\
             com.docker.swarm.task.id=t hello\n"
        );
    }
}
