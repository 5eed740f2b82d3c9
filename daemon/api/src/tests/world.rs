//! A small world behind the API.

use crate::backend::*;
use crate::{Backend, Error, Place, answer, router};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use model::*;
use std::sync::{Arc, Mutex};

/// A cluster of one node and one service.
#[derive(Default)]
pub(crate) struct World {
    pub place: Mutex<Option<Place>>,
    pub forwarded: Mutex<Vec<String>>,
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
pub(super) fn streamed(request: http::Request<Bytes>) -> http::Request<Stream<Bytes>> {
    request.map(|body| -> Stream<Bytes> { Box::pin(futures::stream::once(async { Ok(body) })) })
}

/// Status, headers and body of an answer.
pub(super) async fn ask_world(
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

pub(crate) async fn ask(method: &str, path: &str, body: &str) -> (u16, String) {
    let (status, _, body) = ask_world(Arc::default(), method, path, body).await;
    (status, body)
}
