//! The API at its door, with a small world behind it.

use crate::backend::*;
use crate::{Backend, Error, Place, answer, router};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use model::*;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

/// A cluster of one node and one service.
#[derive(Default)]
pub(super) struct World {
    place: Mutex<Option<Place>>,
    forwarded: Mutex<Vec<String>>,
}

fn service() -> Service {
    let mut service = Service {
        id: "s1234".into(),
        ..Service::default()
    };
    service.spec.name = "web".into();
    service.spec.mode.replicated = Some(Replicated { replicas: Some(2) });
    service
}

fn node() -> Node {
    let mut node = Node {
        id: "n1234".into(),
        ..Node::default()
    };
    node.description.hostname = "board-1".into();
    node.membership.role = NodeRole::Manager;
    node
}

fn overlay() -> Network {
    let config = IpamConfig {
        subnet: Some("10.0.1.0/24".into()),
        gateway: Some("10.0.1.1".into()),
        range: None,
    };
    let mut network = Network {
        id: "o1234".into(),
        ipam_options: Some(IpamOptions {
            configs: Some(vec![config]),
            ..IpamOptions::default()
        }),
        ..Network::default()
    };
    network.spec.name = "onet".into();
    network
}

fn one_task() -> Task {
    let mut task = Task {
        id: "t1234".into(),
        service_id: "s1234".into(),
        slot: Some(1),
        ..Task::default()
    };
    task.node_id = Some("n1234".into());
    task.desired_state = TaskState::Running;
    task.status.state = TaskState::Running;
    task
}

#[async_trait]
impl crate::updates::Updates for World {
    fn members(&self) -> Result<Vec<Node>, Error> {
        if let Some(Place::Nobody(error)) = self.place.lock().unwrap().clone() {
            return Err(error);
        }
        let mut other = node();
        other.id = "m1234".into();
        other.description.hostname = "board-2".into();
        Ok(vec![node(), other])
    }
    fn is_me(&self, node: &Node) -> bool {
        node.id.as_str() == "n1234"
    }
    async fn install(
        &self,
        size: Option<u64>,
        bundle: Stream<Bytes>,
    ) -> Result<Stream<crate::updates::Step>, Error> {
        use crate::updates::Step;
        let pieces: Vec<_> = bundle.map(|piece| piece.unwrap_or_default()).collect().await;
        if pieces.concat() == b"bad" {
            return Err(Error::Invalid("the bundle is refused".into()));
        }
        let said = format!("{} of {size:?}", pieces.concat().len());
        let steps = [Ok(Step::Writing(50, said)), Err("LastError: x".to_owned())];
        Ok(Box::pin(futures::stream::iter(steps)))
    }
    async fn pass_to(
        &self,
        node: &Node,
        request: http::Request<Stream<Bytes>>,
    ) -> Result<http::Response<Stream<Bytes>>, Error> {
        let (parts, body) = request.into_parts();
        let pieces: Vec<_> = body.map(|piece| piece.unwrap_or_default()).collect().await;
        let said = format!(
            "{} {} {} to {} by {}",
            parts.method,
            parts.uri,
            String::from_utf8_lossy(&pieces.concat()),
            node.description.hostname,
            parts.headers["bramble-role"].to_str().unwrap()
        );
        let body: Stream<Bytes> = Box::pin(futures::stream::once(async { Ok(said.into()) }));
        Ok(http::Response::new(body))
    }
}

#[async_trait]
impl crate::volumes::Volumes for World {
    async fn list(&self) -> Result<Vec<Volume>, Error> {
        let named = |name: &str, labels: &[&str]| Volume {
            name: name.to_owned(),
            driver: "local".to_owned(),
            labels: Some(
                labels
                    .iter()
                    .map(|label| ((*label).to_owned(), String::new()))
                    .collect(),
            ),
            ..Volume::default()
        };
        Ok(vec![named("data", &["use"]), named("0a", &[model::ANONYMOUS])])
    }
    async fn used(&self) -> Result<std::collections::BTreeSet<String>, Error> {
        Ok(["data".to_owned()].into())
    }
    async fn usage(&self) -> Result<Vec<Volume>, Error> {
        crate::volumes::Volumes::list(self).await
    }
    async fn create(&self, new: crate::volumes::NewVolume) -> Result<Volume, Error> {
        Ok(Volume {
            name: new.name,
            ..Volume::default()
        })
    }
    async fn remove(&self, _: &str, _: bool) -> Result<(), Error> {
        Ok(())
    }
    async fn prune(&self, wanted: crate::volumes::Wanted) -> Result<(Vec<String>, i64), Error> {
        let all = self.list().await?;
        let names = all
            .iter()
            .filter(|volume| wanted(volume))
            .map(|volume| volume.name.clone());
        Ok((names.collect(), 0))
    }
}

#[async_trait]
impl Backend for World {
    fn volumes(&self) -> &dyn crate::volumes::Volumes {
        self
    }
    fn updates(&self) -> &dyn crate::updates::Updates {
        self
    }
    async fn facts(&self) -> Facts {
        Facts {
            state: "active".into(),
            manager: true,
            node_id: "n1234".into(),
            ..Facts::default()
        }
    }
    async fn board(&self) -> BoardReport {
        BoardReport {
            name: "board-1".into(),
            state: BoardState::Leader,
            ..BoardReport::default()
        }
    }
    async fn metrics(&self) -> Result<String, Error> {
        Ok("# EOF\n".into())
    }
    async fn init(&self, _: InitRequest) -> Result<String, Error> {
        Err(Error::Unavailable("already".into()))
    }
    async fn join(&self, _: JoinRequest) -> Result<(), Error> {
        Ok(())
    }
    async fn leave(&self, force: bool) -> Result<(), Error> {
        if force {
            Ok(())
        } else {
            Err(Error::Unavailable("a manager".into()))
        }
    }
    fn lets_in(&self, certificate: &str) -> bool {
        certificate != "revoked"
    }
    async fn create_context(&self, _: ContextRequest) -> Result<NewContext, Error> {
        Err(Error::Unavailable("not here".into()))
    }
    async fn contexts(&self) -> Result<Vec<Grant>, Error> {
        Ok(Vec::new())
    }
    async fn revoke_context(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }
    async fn unlock(&self, _: Hidden<String>) -> Result<(), Error> {
        Ok(())
    }
    async fn unlock_key(&self) -> Result<String, Error> {
        Ok(String::new())
    }
    async fn log_in(&self, _: &str, _: RegistryAuth) -> Result<(), Error> {
        Ok(())
    }
    async fn resolve_image(&self, name: &str, _: Option<RegistryAuth>) -> Result<Distribution, Error> {
        Ok(Distribution {
            digest: format!("sha256:{name}"),
            ..Distribution::default()
        })
    }
    fn place(&self) -> Place {
        self.place.lock().unwrap().clone().unwrap_or(Place::Here)
    }
    async fn forward(&self, request: http::Request<Bytes>) -> Result<http::Response<Stream<Bytes>>, Error> {
        self.forwarded.lock().unwrap().push(format!(
            "{} {} for {}",
            request.method(),
            request.uri(),
            request.headers()["bramble-role"].to_str().unwrap()
        ));
        let body: Stream<Bytes> = Box::pin(futures::stream::iter([Ok(Bytes::from_static(
            b"from the leader",
        ))]));
        Ok(http::Response::builder().status(207).body(body).unwrap())
    }
    async fn cluster(&self) -> Result<Cluster, Error> {
        Ok(Cluster::default())
    }
    async fn update_cluster(&self, _: Version, _: ClusterSpec, _: Rotate) -> Result<(), Error> {
        Ok(())
    }
    async fn nodes(&self) -> Result<Vec<Node>, Error> {
        Ok(vec![node()])
    }
    async fn update_node(&self, _: &NodeId, _: Version, _: NodeSpec) -> Result<(), Error> {
        Ok(())
    }
    async fn remove_node(&self, _: &NodeId, _: bool) -> Result<(), Error> {
        Ok(())
    }
    async fn services(&self) -> Result<Vec<Service>, Error> {
        Ok(vec![service()])
    }
    async fn create_service(&self, spec: ServiceSpec, _: Option<RegistryAuth>) -> Result<ServiceId, Error> {
        if spec.name == "web" {
            Err(Error::Conflict("taken".into()))
        } else {
            Ok("new".into())
        }
    }
    async fn update_service(
        &self,
        _: &ServiceId,
        version: Version,
        _: Option<ServiceSpec>,
        _: Option<RegistryAuth>,
    ) -> Result<(), Error> {
        if version.index == 7 {
            Ok(())
        } else {
            Err(Error::Internal("update out of sequence".into()))
        }
    }
    async fn remove_service(&self, _: &ServiceId) -> Result<(), Error> {
        Ok(())
    }
    async fn tasks(&self, _: Option<&ServiceId>) -> Result<Vec<Task>, Error> {
        Ok(vec![one_task()])
    }
    async fn networks(&self) -> Result<Vec<Network>, Error> {
        Ok(vec![overlay()])
    }
    async fn create_network(&self, _: NetworkSpec) -> Result<NetworkId, Error> {
        Ok("o5678".into())
    }
    async fn remove_network(&self, _: &NetworkId) -> Result<(), Error> {
        Ok(())
    }
    async fn secrets(&self) -> Result<Vec<Secret>, Error> {
        Ok(vec![Secret::default()])
    }
    async fn create_secret(&self, spec: SecretSpec) -> Result<String, Error> {
        Ok(spec.name)
    }
    async fn update_secret(&self, _: &str, _: Version, _: SecretSpec) -> Result<(), Error> {
        Ok(())
    }
    async fn remove_secret(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }
    async fn configs(&self) -> Result<Vec<Config>, Error> {
        Ok(vec![Config::default()])
    }
    async fn create_config(&self, spec: ConfigSpec) -> Result<String, Error> {
        Ok(spec.name)
    }
    async fn update_config(&self, _: &str, _: Version, _: ConfigSpec) -> Result<(), Error> {
        Ok(())
    }
    async fn remove_config(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }
    async fn logs(&self, _: LogWish) -> Result<Stream<LogLine>, Error> {
        let line = LogLine {
            node: "n1234".into(),
            service: "s1234".into(),
            task: "t1234".into(),
            stderr: false,
            at: Timestamp::UNIX_EPOCH,
            data: Bytes::from_static(b"hi\n"),
        };
        Ok(Box::pin(futures::stream::iter([
            Ok(line),
            Err("a node is gone".to_owned()),
        ])))
    }
    async fn events(&self, since: Option<Timestamp>) -> Result<Events, Error> {
        let event = |kind, second| Event {
            kind,
            action: "update",
            id: format!("{kind}1"),
            attributes: [("name".to_owned(), "web".to_owned())].into(),
            at: Timestamp::from_second(second).unwrap(),
        };
        let all = [event("service", 100), event("node", 200), event("service", 300)];
        Ok(Events {
            past: all
                .into_iter()
                .filter(|event| since.is_some_and(|since| event.at >= since))
                .collect(),
            coming: Box::pin(futures::stream::empty()),
        })
    }
}

/// A request whose body comes in one piece.
fn streamed(request: http::Request<Bytes>) -> http::Request<Stream<Bytes>> {
    request.map(|body| -> Stream<Bytes> { Box::pin(futures::stream::once(async { Ok(body) })) })
}

/// Status, headers and body of an answer.
async fn ask_world(
    world: Arc<World>,
    method: &str,
    path: &str,
    body: &str,
) -> (u16, http::HeaderMap, String) {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("bramble-role", "admin")
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    let (parts, body) = answer(&router(world), streamed(request)).await.into_parts();
    let pieces: Vec<_> = body.map(|piece| piece.unwrap_or_default()).collect().await;
    (
        parts.status.as_u16(),
        parts.headers,
        String::from_utf8_lossy(&pieces.concat()).into_owned(),
    )
}

pub(super) async fn ask(method: &str, path: &str, body: &str) -> (u16, String) {
    let (status, _, body) = ask_world(Arc::default(), method, path, body).await;
    (status, body)
}

#[tokio::test]
async fn ping_says_what_the_docker_command_looks_for() {
    for method in ["HEAD", "GET"] {
        let (status, headers, body) = ask_world(Arc::default(), method, "/_ping", "").await;
        assert_eq!((status, headers["api-version"].to_str().unwrap()), (200, "1.51"));
        assert_eq!(headers["swarm"], "active/manager");
        assert_eq!(body, if method == "HEAD" { "" } else { "OK" });
    }
}

#[tokio::test]
async fn events_of_the_past_are_told_as_far_as_they_fit() {
    for (query, seconds) in [
        ("until=400", vec![100, 200, 250, 300]),
        ("since=150&until=400", vec![200, 250, 300]),
        (
            "since=150&until=400&filters=%7B%22scope%22%3A%5B%22local%22%5D%7D",
            vec![250],
        ),
        (
            "since=150&until=400&filters=%7B%22event%22%3A%5B%22exec_create%22%5D%7D",
            vec![250],
        ),
        ("since=150&until=250", vec![200, 250]),
        (
            "until=400&filters=%7B%22type%22%3A%5B%22service%22%5D%7D",
            vec![100, 300],
        ),
        ("until=400&filters=%7B%22node%22%3A%5B%22we%22%5D%7D", vec![200]),
        (
            "until=400&filters=%7B%22container%22%3A%5B%22web%22%5D%7D",
            vec![250],
        ),
        (
            "until=400&filters=%7B%22label%22%3A%5B%22name%3Ddb%22%5D%7D",
            vec![],
        ),
    ] {
        let (status, body) = ask("GET", &format!("/events?{query}"), "").await;
        assert_eq!(status, 200);
        let time = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["time"]
                .as_i64()
                .unwrap()
        };
        assert_eq!(body.lines().map(time).collect::<Vec<_>>(), seconds, "{query}");
    }
}

#[tokio::test]
async fn errors_have_dockers_code_and_form() {
    for (method, path, body, status, says) in [
        ("GET", "/nothing", "", 404, "page not found"),
        ("PUT", "/v1.41/services", "", 404, "page not found"),
        ("GET", "/v1.99/info", "", 400, "too new"),
        ("GET", "/services/x", "", 404, "service x not found"),
        ("POST", "/services/create", "{", 400, "invalid JSON"),
        ("POST", "/services/create", "", 400, "invalid JSON"),
        ("POST", "/services/create", "{\"Name\":\"web\"}", 409, "taken"),
        ("POST", "/services/web/update", "{}", 400, "invalid version"),
        (
            "POST",
            "/services/web/update?version=1",
            "{}",
            500,
            "out of sequence",
        ),
        (
            "POST",
            "/services/web/update?version=7&rollback=next",
            "{}",
            400,
            "rollback option",
        ),
        ("POST", "/swarm/leave", "", 503, "a manager"),
        ("POST", "/containers/create", "{}", 501, "docker service"),
        ("GET", "/containers/x/json", "", 404, "No such container: x"),
        (
            "POST",
            "/networks/create",
            "{\"Name\":\"n\",\"Driver\":\"bridge\"}",
            501,
            "-d overlay n",
        ),
        (
            "POST",
            "/networks/create",
            "{\"Name\":\"host\",\"Driver\":\"overlay\"}",
            403,
            "not permitted on predefined host network",
        ),
        (
            "POST",
            "/networks/create",
            "{\"Name\":\"onet\",\"Driver\":\"overlay\"}",
            409,
            "network with name onet already exists",
        ),
        (
            "POST",
            "/networks/create",
            "{\"Name\":\"n\",\"Driver\":\"overlay\",\"IPAM\":{\"Config\":[{\"AuxiliaryAddresses\":{\"a\":\"10.0.0.9\"}}]}}",
            501,
            "auxiliary addresses",
        ),
        (
            "DELETE",
            "/networks/bridge",
            "",
            403,
            "pre-defined network and cannot be removed",
        ),
        ("POST", "/networks/onet/connect", "{}", 501, "--network-add"),
        (
            "POST",
            "/networks/prune?filters=%7B%22until%22%3A%5B%22soon%22%5D%7D",
            "",
            400,
            "until=soon",
        ),
        (
            "GET",
            "/networks/onet?scope=local",
            "",
            404,
            "network onet not found",
        ),
        ("GET", "/networks/x", "", 404, "network x not found"),
        ("GET", "/tasks?filters=x", "", 400, "invalid filters"),
    ] {
        let (code, text) = ask(method, path, body).await;
        assert_eq!(code, status, "{method} {path}: {text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(
            value["message"].as_str().unwrap().contains(says),
            "{method} {path}: {text}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_by_its_length() {
    let body = "x".repeat(crate::body::MAX_BODY + 1);
    assert_eq!(ask("POST", "/services/create", &body).await.0, 413);
}

#[tokio::test]
async fn lists_are_filtered_and_counted() {
    let count = |text: String| {
        serde_json::from_str::<Vec<serde_json::Value>>(&text)
            .unwrap()
            .len()
    };
    for (path, expected) in [
        ("/services", 1),
        ("/services?filters=%7B%22name%22%3A%5B%22we%22%5D%7D", 1),
        ("/services?filters=%7B%22name%22%3A%5B%22db%22%5D%7D", 0),
        ("/tasks?filters=%7B%22service%22%3A%7B%22web%22%3Atrue%7D%7D", 1),
        ("/tasks?filters=%7B%22node%22%3A%5B%22board-2%22%5D%7D", 0),
        (
            "/tasks?filters=%7B%22desired-state%22%3A%5B%22shutdown%22%5D%7D",
            0,
        ),
        ("/nodes?filters=%7B%22role%22%3A%5B%22worker%22%5D%7D", 0),
        ("/networks", 4),
        ("/networks?filters=%7B%22scope%22%3A%5B%22swarm%22%5D%7D", 1),
        ("/networks?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D", 1),
        ("/networks?filters=%7B%22type%22%3A%5B%22builtin%22%5D%7D", 3),
        ("/networks?filters=%7B%22label%22%3A%5B%22a%22%5D%7D", 0),
    ] {
        let (status, text) = ask("GET", path, "").await;
        assert_eq!((status, count(text)), (200, expected), "{path}");
    }
    let (_, text) = ask("GET", "/v1.41/services?status=true", "").await;
    assert!(
        text.contains("\"ServiceStatus\":{\"RunningTasks\":1,\"DesiredTasks\":2"),
        "{text}"
    );
}

/// As recorded from Docker's engine (with `EnableIPv4`, which newer ones add).
#[tokio::test]
async fn a_network_is_shown_as_docker_shows_it() {
    for id in ["onet", "o1234", "o12"] {
        let (status, text) = ask("GET", &format!("/v1.41/networks/{id}?scope=swarm"), "").await;
        let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "Name": "onet", "Id": "o1234", "Created": "1970-01-01T00:00:00Z", "Scope": "swarm", "Driver": "overlay",
            "EnableIPv4": true, "EnableIPv6": false,
            "IPAM": {"Driver": "default", "Options": null, "Config": [{"Subnet": "10.0.1.0/24", "Gateway": "10.0.1.1"}]},
            "Internal": false, "Attachable": false, "Ingress": false, "ConfigFrom": {"Network": ""},
            "ConfigOnly": false, "Containers": null, "Options": null, "Labels": null,
        });
        assert_eq!((status, shown), (200, expected));
    }
    let (_, text) = ask("GET", "/networks/onet?verbose=true", "").await;
    assert!(text.contains("\"Services\":{}"), "{text}");
    let body = "{\"Name\":\"two\",\"Driver\":\"overlay\",\"CheckDuplicate\":true}";
    let (status, text) = ask("POST", "/networks/create", body).await;
    assert_eq!(
        (status, text.as_str()),
        (201, "{\"Id\":\"o5678\",\"Warning\":\"\"}")
    );
    assert_eq!(ask("DELETE", "/networks/o12", "").await, (204, String::new()));
    let (_, text) = ask("POST", "/networks/prune", "").await;
    assert_eq!(text, "{\"NetworksDeleted\":[\"onet\"]}");
}

#[tokio::test]
async fn a_follower_passes_on_what_only_the_leader_knows() {
    let world = Arc::new(World::default());
    *world.place.lock().unwrap() = Some(Place::Elsewhere);
    let (status, _, body) = ask_world(world.clone(), "POST", "/v1.41/services/create?x=1", "{}").await;
    assert_eq!((status, body.as_str()), (207, "from the leader"));
    assert_eq!(
        *world.forwarded.lock().unwrap(),
        ["POST /services/create?x=1 for admin"]
    );
    assert_eq!(ask_world(world.clone(), "GET", "/_ping", "").await.0, 200);
    assert_eq!(world.forwarded.lock().unwrap().len(), 1);

    *world.place.lock().unwrap() = Some(Place::Nobody(Error::Unavailable("no leader".into())));
    let (status, _, body) = ask_world(world, "GET", "/nodes", "").await;
    assert_eq!((status, body.as_str()), (503, "{\"message\":\"no leader\"}"));
}

#[tokio::test]
async fn logs_are_framed_and_trouble_is_told() {
    let (status, text) = ask("GET", "/services/web/logs?stdout=1&details=1", "").await;
    assert_eq!(status, 200);
    assert!(text.starts_with("\u{1}\0\0\0\0\0\0"), "{text:?}");
    assert!(text.contains("com.docker.swarm.task.id=t1234 hi\n"));
    assert!(text.contains("\u{3}\0\0\0"), "{text:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is sent, a handler answers, and never with a fault of its own.
    #[test]
    fn no_input_is_a_fault(
        route in 0..8usize,
        query in "[a-z=&%0-9{}\":]{0,40}",
        body in "[\\[\\]{}\",:a-zA-Z0-9.\\-]{0,80}",
    ) {
        let routes = [
            ("GET", "/services"), ("GET", "/tasks"), ("GET", "/nodes"), ("GET", "/services/web/logs"),
            ("POST", "/services/create"), ("POST", "/nodes/n1234/update"), ("POST", "/swarm/init"), ("GET", "/events"),
        ];
        let (method, path) = routes[route];
        let Ok(uri) = format!("{path}?{query}").parse::<http::Uri>() else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (status, text) = runtime.block_on(ask(method, &uri.to_string(), &body));
        prop_assert!(status < 500 || status == 501 || status == 503, "{status} {text}");
    }
}

#[tokio::test]
async fn a_role_is_enforced_and_carried_to_the_leader() {
    let ask = async |world: Arc<World>, role: &str, method: &str, path: &str| {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("bramble-role", role)
            .body(Bytes::new())
            .unwrap();
        let (parts, body) = answer(&router(world), streamed(request)).await.into_parts();
        let pieces: Vec<_> = body.map(|piece| piece.unwrap_or_default()).collect().await;
        (
            parts.status.as_u16(),
            String::from_utf8_lossy(&pieces.concat()).into_owned(),
        )
    };
    let world = Arc::<World>::default();
    for (role, method, path, status) in [
        ("view", "GET", "/v1.41/nodes", 200),
        ("view", "POST", "/v1.41/services/create", 403),
        ("", "POST", "/v1.41/services/create", 403),
        ("deploy", "POST", "/v1.41/services/create", 400),
        ("deploy", "GET", "/v1.41/swarm/unlockkey", 403),
        ("deploy", "DELETE", "/v1.41/nodes/n1234", 403),
        ("admin", "GET", "/v1.41/swarm/unlockkey", 200),
    ] {
        let (answered, body) = ask(world.clone(), role, method, path).await;
        assert_eq!(answered, status, "{role} {method} {path}: {body}");
    }
    *world.place.lock().unwrap() = Some(Place::Elsewhere);
    assert_eq!(
        ask(world.clone(), "view", "POST", "/services/create").await.0,
        403
    );
    assert!(world.forwarded.lock().unwrap().is_empty());
    assert_eq!(
        ask(world.clone(), "deploy", "POST", "/services/create").await.0,
        207
    );
    assert_eq!(
        *world.forwarded.lock().unwrap(),
        ["POST /services/create for deploy"]
    );
}

#[tokio::test]
async fn who_deploys_does_not_get_at_the_boards() {
    let spec = r#"{"Name":"x","Mode":{"Replicated":{}},"TaskTemplate":{"ContainerSpec":{"Image":"x",
        "Mounts":[{"Type":"bind","Source":"/run","Target":"/x"}]}}}"#;
    for (role, path, status) in [
        ("deploy", "/services/create", 403),
        ("deploy", "/services/s1234/update?version=1", 403),
        ("admin", "/services/create", 201),
    ] {
        let request = http::Request::builder().method("POST").uri(path);
        let request = request
            .header("bramble-role", role)
            .body(Bytes::from(spec))
            .unwrap();
        let answered = answer(&router(Arc::<World>::default()), streamed(request)).await;
        assert_eq!(answered.status().as_u16(), status, "{role} {path}");
    }
}

#[tokio::test]
async fn volumes_are_filtered_and_pruned_as_docker_does() {
    let routes = router(Arc::new(World::default()));
    let ask = |method: &'static str, path: String| {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("bramble-role", "admin")
            .body(Bytes::new())
            .unwrap();
        let routes = routes.clone();
        async move {
            let answer = answer(&routes, streamed(request)).await;
            let status = answer.status().as_u16();
            let pieces: Vec<_> = answer.into_body().map(|piece| piece.unwrap()).collect().await;
            (status, String::from_utf8(pieces.concat()).unwrap())
        }
    };
    let filtered = |filters: &str| {
        let encoded: String = form_urlencoded::byte_serialize(filters.as_bytes()).collect();
        format!("filters={encoded}")
    };
    let names = |body: &str| {
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        let all = value["Volumes"].as_array().unwrap().clone();
        all.iter()
            .map(|volume| volume["Name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&ask("GET", "/volumes".to_owned()).await.1), ["data", "0a"]);
    for (filters, found) in [
        (r#"{"dangling":["true"]}"#, vec!["0a"]),
        (r#"{"dangling":["0"]}"#, vec!["data"]),
        (r#"{"name":["at"]}"#, vec!["data"]),
        (r#"{"label":["use"],"driver":["local"]}"#, vec!["data"]),
        (r#"{"driver":["nfs"]}"#, vec![]),
    ] {
        assert_eq!(
            names(&ask("GET", format!("/volumes?{}", filtered(filters))).await.1),
            found,
            "{filters}"
        );
    }
    for bad in [r#"{"dangling":["maybe"]}"#, r#"{"size":["1"]}"#] {
        assert_eq!(ask("GET", format!("/volumes?{}", filtered(bad))).await.0, 400);
    }
    let (status, body) = ask("GET", "/volumes/none".to_owned()).await;
    assert_eq!(
        (status, body.as_str()),
        (404, r#"{"message":"get none: no such volume"}"#)
    );
    // Only what nobody named goes by itself, since API 1.42.
    for (path, pruned) in [
        ("/v1.42/volumes/prune".to_owned(), r#"["0a"]"#),
        ("/v1.41/volumes/prune".to_owned(), r#"["data","0a"]"#),
        (
            format!("/v1.51/volumes/prune?{}", filtered(r#"{"all":["1"]}"#)),
            r#"["data","0a"]"#,
        ),
        (
            format!("/volumes/prune?{}", filtered(r#"{"all":["1"],"label!":["use"]}"#)),
            r#"["0a"]"#,
        ),
    ] {
        let (status, body) = ask("POST", path).await;
        assert_eq!(status, 200);
        assert!(body.contains(pruned), "{body}");
    }
    assert_eq!(ask("PUT", "/volumes/data?version=1".to_owned()).await.0, 501);
    assert_eq!(ask("DELETE", "/volumes/data".to_owned()).await.0, 204);
}

#[tokio::test]
async fn a_bundle_goes_to_the_board_that_it_is_for() {
    let (status, said) = ask("POST", "/bramble/board/update", "bundle").await;
    let steps: Vec<&str> = said.trim().lines().collect();
    assert_eq!(status, 200);
    assert!(steps[0].contains("\"50 % 6 of None\""), "{said}");
    assert!(
        steps[1].contains("\"error\":\"LastError: x\"") && steps[1].contains("errorDetail"),
        "{said}"
    );
    let (status, said) = ask("POST", "/v1.41/bramble/nodes/board-1/update", "bad").await;
    assert_eq!((status, said.contains("refused")), (400, true));
    let (status, said) = ask("POST", "/bramble/nodes/m12/update", "bundle").await;
    let passed = "POST /bramble/board/update bundle to board-2 by admin";
    assert_eq!((status, said.as_str()), (200, passed));
    assert_eq!(ask("POST", "/bramble/nodes/none/update", "bundle").await.0, 404);

    let world = World::default();
    *world.place.lock().unwrap() = Some(Place::Nobody(Error::Unavailable("not a manager".into())));
    let (status, _, said) = ask_world(Arc::new(world), "POST", "/bramble/nodes/m12/update", "x").await;
    assert_eq!((status, said.contains("not a manager")), (503, true));
}
