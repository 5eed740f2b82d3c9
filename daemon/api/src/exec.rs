//! `/containers/{id}/exec` and `/exec/{id}/…`: commands in this board's containers.

use crate::containers::{find, size};
use crate::hijack::{self, Framing};
use crate::routes::{Front, query};
use crate::{Error, body};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use model::LocalExec;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Create {
    cmd: Option<Vec<String>>,
    user: Option<String>,
    working_dir: Option<String>,
    env: Option<Vec<String>>,
    tty: bool,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    privileged: bool,
    detach_keys: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Start {
    detach: bool,
    console_size: Option<(u32, u32)>,
}

/// `POST /containers/{id}/exec`
pub(crate) async fn create(
    State(front): State<Front>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Error> {
    let (parts, content) = request.into_parts();
    let wanted: Create = body::json(&body::read(&parts.headers, content).await?)?;
    let container = find(&front, &id).await?;
    let exec = LocalExec {
        args: wanted.cmd.unwrap_or_default(),
        user: wanted.user.unwrap_or_default(),
        dir: wanted.working_dir.unwrap_or_default(),
        env: wanted.env.unwrap_or_default(),
        tty: wanted.tty,
        stdin: wanted.attach_stdin,
        stdout: wanted.attach_stdout,
        stderr: wanted.attach_stderr,
        privileged: wanted.privileged,
        detach_keys: wanted.detach_keys.unwrap_or_default(),
    };
    let id = front.backend.create_exec(&container, exec).await?;
    Ok((StatusCode::CREATED, Json(json!({ "Id": id }))).into_response())
}

/// `POST /exec/{id}/start`
pub(crate) async fn start(
    State(front): State<Front>,
    Path(id): Path<String>,
    mut request: Request,
) -> Result<Response, Error> {
    let upgrade = hijack::upgrade(&mut request);
    let (parts, content) = request.into_parts();
    let content = body::read(&parts.headers, content).await?;
    let wanted: Start = if content.is_empty() {
        Start::default()
    } else {
        body::json(&content)?
    };
    let known = front.backend.exec(&id).await?;
    let framing = Framing::of(known.exec.tty);
    let (stdout, stderr) = (known.exec.stdout, known.exec.stderr);
    match front
        .backend
        .start_exec(&id, wanted.console_size.filter(|size| *size != (0, 0)))
        .await
    {
        // Dropping the session leaves the command running.
        Ok(_) if wanted.detach => Ok(StatusCode::OK.into_response()),
        Ok(mut session) => {
            use futures::StreamExt as _;
            let asked = move |piece: &Result<crate::local::Said, String>| {
                let shown = piece
                    .as_ref()
                    .map_or(true, |(is_stderr, _)| if *is_stderr { stderr } else { stdout });
                std::future::ready(shown)
            };
            session.output = Box::pin(session.output.filter(asked));
            Ok(hijack::answer(upgrade, session, framing))
        }
        Err(error @ Error::Invalid(_)) if !wanted.detach => Ok(hijack::trouble(upgrade, &error, framing)),
        Err(error) => Err(error),
    }
}

/// `POST /exec/{id}/resize`
pub(crate) async fn resize(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Error> {
    let (height, width) = size(&query(&uri))?;
    front.backend.resize_exec(&id, height, width).await?;
    Ok(StatusCode::OK)
}

/// `GET /exec/{id}/json`
pub(crate) async fn inspect(
    State(front): State<Front>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Error> {
    let state = front.backend.exec(&id).await?;
    let exec = &state.exec;
    let mut process = json!({
        "tty": exec.tty,
        "entrypoint": exec.args.first(),
        "arguments": exec.args.get(1..).unwrap_or_default(),
        "privileged": exec.privileged,
    });
    if !exec.user.is_empty() {
        process["user"] = exec.user.as_str().into();
    }
    Ok(Json(json!({
        "ID": state.id,
        "Running": state.running,
        "ExitCode": state.exit_code,
        "ProcessConfig": process,
        "OpenStdin": exec.stdin,
        "OpenStderr": exec.stderr,
        "OpenStdout": exec.stdout,
        "CanRemove": !state.running && state.exit_code.is_some(),
        "ContainerID": state.container,
        "DetachKeys": exec.detach_keys,
        "Pid": state.pid,
    })))
}
