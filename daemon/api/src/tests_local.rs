//! A board with one container behind the API.

use super::tests::World;
use crate::Error;
use crate::backend::{LogWish, Stream};
use crate::local::{Act, Line, Local, Session, Until};
use async_trait::async_trait;
use bytes::Bytes;
use model::*;

/// The one container.
pub(super) fn container() -> LocalContainer {
    let mut container = LocalContainer {
        id: "c1234".into(),
        state: LocalState::Running,
        pid: 7,
        ..LocalContainer::default()
    };
    container.task.id = "t1234".into();
    container.task.slot = Some(1);
    container.task.origin.service_name = "web".into();
    container
}

#[async_trait]
impl Local for World {
    async fn containers(&self) -> Result<Vec<LocalContainer>, Error> {
        Ok(vec![container()])
    }
    async fn layers(&self, _: &str) -> Result<LocalLayers, Error> {
        Ok(LocalLayers::default())
    }
    async fn sizes(&self, _: &LocalContainer) -> Result<(u64, u64), Error> {
        Ok((1, 2))
    }
    async fn lines(&self, _: &LocalContainer, _: LogWish) -> Result<Stream<Line>, Error> {
        let line = Line {
            stderr: true,
            at: Timestamp::UNIX_EPOCH,
            data: Bytes::from_static(b"hi\n"),
        };
        Ok(Box::pin(futures::stream::iter([Ok(line)])))
    }
    async fn processes(&self, _: &LocalContainer, _: &str) -> Result<LocalProcesses, Error> {
        Ok(LocalProcesses::default())
    }
    async fn sample(&self, _: &LocalContainer) -> Result<LocalSample, Error> {
        Ok(LocalSample::default())
    }
    async fn act(&self, _: &LocalContainer, _: Act) -> Result<(), Error> {
        Ok(())
    }
    async fn ended(&self, _: &LocalContainer, _: Until) -> Result<i64, Error> {
        Ok(3)
    }
    async fn create_exec(&self, _: &LocalContainer, _: LocalExec) -> Result<String, Error> {
        Ok("e1234".into())
    }
    async fn start_exec(&self, _: &str, _: Option<(u32, u32)>) -> Result<Session, Error> {
        let output: Stream<(bool, Bytes)> =
            Box::pin(futures::stream::iter([Ok((false, Bytes::from_static(b"out")))]));
        Ok(Session { input: None, output })
    }
    async fn resize_exec(&self, _: &str, _: u32, _: u32) -> Result<(), Error> {
        Ok(())
    }
    async fn exec(&self, id: &str) -> Result<LocalExecState, Error> {
        let exec = LocalExec {
            stdout: true,
            ..LocalExec::default()
        };
        Ok(LocalExecState {
            id: id.to_owned(),
            exec,
            ..LocalExecState::default()
        })
    }
    async fn happenings(&self, _: Option<Timestamp>) -> Result<Stream<LocalEvent>, Error> {
        Ok(Box::pin(futures::stream::empty()))
    }
}

#[tokio::test]
async fn containers_are_answered_by_the_board_itself() {
    use super::tests::ask;
    for (method, path, body, status, says) in [
        ("GET", "/containers/json", "", 200, "/web.1.t1234"),
        ("GET", "/containers/c12/json", "", 200, "\"Running\":true"),
        ("GET", "/containers/web.1.t1234/logs?stderr=1", "", 200, "hi\n"),
        ("GET", "/containers/c1234/logs", "", 400, "at least one stream"),
        ("POST", "/containers/c1234/wait", "", 200, "{\"StatusCode\":3}"),
        (
            "POST",
            "/containers/c1234/wait?condition=x",
            "",
            400,
            "invalid condition",
        ),
        (
            "POST",
            "/containers/c1234/resize?h=x&w=1",
            "",
            400,
            "invalid resize h",
        ),
        ("POST", "/containers/c1234/rename?name=x", "", 409, "service web"),
        ("DELETE", "/containers/c1234", "", 409, "docker service"),
        ("POST", "/containers/c1234/exec", "{", 400, "invalid JSON"),
        (
            "POST",
            "/containers/c1234/exec",
            "{\"Cmd\":[\"x\"]}",
            201,
            "e1234",
        ),
        ("POST", "/exec/e1234/start", "{}", 200, "out"),
        ("GET", "/exec/e1234/json", "", 200, "\"ExitCode\":null"),
        ("POST", "/containers/x/kill", "", 404, "No such container: x"),
    ] {
        let (code, text) = ask(method, path, body).await;
        assert_eq!(code, status, "{method} {path}: {text}");
        assert!(text.contains(says), "{method} {path}: {text}");
    }
}
