//! containerd's services, all spoken to in our namespace.

use containerd_client::services::v1::containers_client::ContainersClient;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::diff_client::DiffClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::leases_client::LeasesClient;
use containerd_client::services::v1::snapshots::snapshots_client::SnapshotsClient;
use containerd_client::services::v1::tasks_client::TasksClient;
use containerd_client::services::v1::version_client::VersionClient;
use exec::Error;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// Keeps our containers apart from others' on the same containerd.
pub(crate) const NAMESPACE: &str = "bramble";
/// Where layers are unpacked.
pub(crate) const SNAPSHOTTER: &str = "overlayfs";

/// containerd, as one caller sees it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    channel: Channel,
    headers: Headers,
}

/// Puts namespace and lease on every request.
#[derive(Clone, Default)]
pub(crate) struct Headers {
    lease: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert("containerd-namespace", MetadataValue::from_static(NAMESPACE));
        if let Some(lease) = &self.lease {
            metadata.insert("containerd-lease", lease.clone());
        }
        Ok(request)
    }
}

type Service = InterceptedService<Channel, Headers>;

macro_rules! services {
    ($($name:ident: $client:ident),*) => {$(
        pub fn $name(&self) -> $client<Service> {
            $client::with_interceptor(self.channel.clone(), self.headers.clone())
        }
    )*};
}

impl Client {
    pub fn new(channel: Channel) -> Self {
        Self {
            channel,
            headers: Headers::default(),
        }
    }

    /// The same, with everything that it makes held by a lease.
    pub fn leased(&self, lease: &str) -> Self {
        Self {
            channel: self.channel.clone(),
            headers: Headers {
                lease: lease.parse().ok(),
            },
        }
    }

    services!(
        containers: ContainersClient,
        content: ContentClient,
        diff: DiffClient,
        images: ImagesClient,
        leases: LeasesClient,
        snapshots: SnapshotsClient,
        tasks: TasksClient,
        version: VersionClient
    );
}

/// containerd's refusal as one of ours. What passes by itself (containerd restarting) is temporary.
pub(crate) fn refusal(what: &str) -> impl Fn(Status) -> Error + '_ {
    move |status| match status.code() {
        Code::NotFound => Error::NotFound(format!("{what}: {}", status.message())),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted => {
            Error::Temporary(format!("{what}: containerd: {}", status.message()))
        }
        _ => Error::Fatal(format!("{what}: {}", status.message())),
    }
}

/// What is there already is what was wanted.
pub(crate) fn or_exists<T>(outcome: Result<T, Status>) -> Result<Option<T>, Status> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(status) if status.code() == Code::AlreadyExists => Ok(None),
        Err(status) => Err(status),
    }
}

/// What is gone already is what was wanted.
pub(crate) fn or_gone<T>(outcome: Result<T, Status>) -> Result<Option<T>, Status> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}
