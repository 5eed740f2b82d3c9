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
    async fn look(&self, _: &LocalContainer, path: &str) -> Result<LocalPath, Error> {
        Ok(LocalPath {
            name: path.to_owned(),
            ..LocalPath::default()
        })
    }
    async fn read(&self, _: &LocalContainer, _: &str) -> Result<(LocalPath, Stream<Bytes>), Error> {
        Ok((
            LocalPath::default(),
            Box::pin(futures::stream::iter([Ok(Bytes::from_static(b"tar"))])),
        ))
    }
    async fn write(&self, _: &LocalContainer, _: &str, _: bool, _: Stream<Bytes>) -> Result<(), Error> {
        Ok(())
    }
    async fn export(&self, _: &LocalContainer) -> Result<Stream<Bytes>, Error> {
        Ok(Box::pin(futures::stream::iter([Ok(Bytes::from_static(b"tar"))])))
    }
    async fn changes(&self, _: &LocalContainer) -> Result<Vec<LocalChange>, Error> {
        Ok(vec![LocalChange {
            path: "/a".into(),
            kind: 1,
        }])
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
    async fn images(&self) -> Result<Vec<LocalImage>, Error> {
        Ok(vec![LocalImage {
            id: "sha256:aabb".into(),
            tags: vec!["nginx:1.10".into()],
            ..LocalImage::default()
        }])
    }
    async fn tag(&self, _: &LocalImage, _: &str) -> Result<(), Error> {
        Ok(())
    }
    async fn untag(&self, _: &LocalImage, _: &str) -> Result<(), Error> {
        Ok(())
    }
    async fn pull(&self, _: &str, _: Option<String>) -> Result<(String, bool), Error> {
        Ok(("sha256:cc".into(), true))
    }
    async fn load(&self, _: Stream<Bytes>) -> Result<Vec<(String, Vec<String>)>, Error> {
        Ok(vec![("sha256:aabb".into(), vec!["nginx:1.10".into()])])
    }
    async fn import(&self, _: Stream<Bytes>, _: serde_json::Value, _: Vec<String>) -> Result<String, Error> {
        Ok("sha256:dd".into())
    }
    async fn save(&self, _: Vec<(String, Vec<String>)>) -> Result<Stream<Bytes>, Error> {
        Ok(Box::pin(futures::stream::iter([Ok(Bytes::from_static(b"tar"))])))
    }
    fn happenings(&self, since: Option<Timestamp>) -> (Vec<LocalEvent>, Stream<LocalEvent>) {
        let event = LocalEvent {
            kind: "container",
            action: "exec_create: sh".to_owned(),
            id: "c1234".to_owned(),
            attributes: [("name".to_owned(), "web.1.t1234".to_owned())].into(),
            at: Timestamp::from_second(250).unwrap(),
        };
        let past = since.is_some_and(|since| event.at >= since).then_some(event);
        (past.into_iter().collect(), Box::pin(futures::stream::empty()))
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
        ("GET", "/images/json", "", 200, "nginx:1.10"),
        ("GET", "/images/nginx:1.10/json", "", 200, "sha256:aabb"),
        (
            "GET",
            "/images/docker.io/library/nginx:1.10/history",
            "",
            200,
            "[]",
        ),
        ("GET", "/images/w/json", "", 404, "No such image: w:latest"),
        ("POST", "/images/nginx:1.10/tag?repo=a/b&tag=1", "", 201, ""),
        (
            "DELETE",
            "/images/nginx:1.10",
            "",
            200,
            "[{\"Untagged\":\"nginx:1.10\"},{\"Deleted\":\"sha256:aabb\"}]",
        ),
        (
            "POST",
            "/images/create?fromImage=nginx&tag=1",
            "",
            200,
            "Downloaded newer image for nginx:1",
        ),
        (
            "POST",
            "/images/create?fromSrc=-&changes=RUN+x",
            "",
            400,
            "can't be a change",
        ),
        ("POST", "/images/create?fromSrc=-", "x", 200, "sha256:dd"),
        ("POST", "/images/create", "", 400, "name an image"),
        ("POST", "/images/load", "x", 200, "Loaded image: nginx:1.10"),
        ("GET", "/images/get?names=aabb", "", 200, "tar"),
        ("POST", "/images/prune", "", 200, "\"SpaceReclaimed\":0"),
        (
            "GET",
            "/images/json?filters=%7B%22until%22%3A%5B%22x%22%5D%7D",
            "",
            400,
            "until=x",
        ),
        ("POST", "/build", "", 501, "docker load"),
        ("HEAD", "/containers/c1234/archive?path=/a", "", 200, ""),
        ("GET", "/containers/c1234/archive?path=/a", "", 200, "tar"),
        ("GET", "/containers/c1234/archive", "", 400, "path is empty"),
        ("PUT", "/containers/c1234/archive?path=/a", "tar", 200, ""),
        ("GET", "/containers/c1234/export", "", 200, "tar"),
        (
            "GET",
            "/containers/c1234/changes",
            "",
            200,
            "[{\"Kind\":1,\"Path\":\"/a\"}]",
        ),
        ("GET", "/system/df", "", 200, "\"LayersSize\":0"),
        ("POST", "/containers/x/kill", "", 404, "No such container: x"),
    ] {
        let (code, text) = ask(method, path, body).await;
        assert_eq!(code, status, "{method} {path}: {text}");
        assert!(text.contains(says), "{method} {path}: {text}");
    }
}
