//! The first transaction of a cluster: its certificate authority, its tokens, its first node.

use model::{
    CaSettings, Cluster, ClusterId, ClusterKeys, ClusterSpec, DispatcherSettings, EncryptionSettings, Hidden,
    JoinTokens, Meta, Node, NodeDescription, NodeId, NodeRole, Orchestration, RaftSettings, Timestamp,
    TlsInfo,
};
use pki::{Ca, Identity, Role, Token};
use state::Transaction;
use std::net::SocketAddr;
use std::time::Duration;

/// The first manager's number in Raft.
pub const FIRST_RAFT_ID: u64 = 1;

/// What a cluster is founded from.
#[derive(Clone, Debug)]
pub struct Founding {
    /// The cluster's name; `default` if founded by hand.
    pub name: String,
    /// The key on the cards; none if founded by hand.
    pub join_key: Option<String>,
    /// The founder's own key.
    pub board: String,
    /// Where the founder listens.
    pub address: SocketAddr,
    /// What the founder says of itself.
    pub description: NodeDescription,
    /// What the user asked for, if anything: missing settings are filled in.
    pub spec: ClusterSpec,
    /// Pools that networks get their subnets from.
    pub pools: Vec<String>,
    /// Prefix length of such a subnet; 24 if 0.
    pub subnet_size: u32,
    /// UDP port of the overlay; 4789 if 0.
    pub data_path_port: u32,
    /// Whether tasks may run on the founder.
    pub availability: model::Availability,
}

/// What founding gives.
pub struct Founded {
    /// To be committed first.
    pub first: Transaction,
    /// The founder's identity.
    pub identity: Identity,
    /// The founder's node.
    pub node: NodeId,
}

/// Founds a cluster.
///
/// # Errors
/// Those of key making.
pub fn found(founding: Founding, now: Timestamp, rng: &mut impl rand::Rng) -> Result<Founded, pki::Error> {
    let (id, node_id) = (ClusterId::generate(rng), NodeId::generate(rng));
    let ca = Ca::found(id.as_str(), now)?;
    let spec = filled_in(founding.spec, &founding.name);
    let identity = Identity::issue(&ca, node_id.as_str(), Role::Manager, crate::validity(&spec), now)?;
    let tls_info = crate::tls_info(ca.cert_pem());
    let token = || Token::generate(ca.digest()).map(|token| token.reveal());
    let keys = ClusterKeys {
        ca_certificate: ca.cert_pem().to_owned(),
        ca_key: Hidden::new(ca.key_pem().reveal().to_owned()),
        tokens: JoinTokens {
            worker: token()?,
            manager: token()?,
        },
        join_key: founding.join_key.map(Hidden::new),
        unlock_key: crate::control::cluster::first_unlock_key(&spec)?,
        access: Some(crate::control::access::found(&id, now)?),
        rotation: None,
        cross_signed: Vec::new(),
        barred: Default::default(),
        next_raft_id: FIRST_RAFT_ID + 1,
        generation: 0,
    };
    let cluster = Cluster {
        id,
        meta: Meta::new(now),
        spec,
        tls_info: tls_info.clone(),
        default_addr_pool: Some(if founding.pools.is_empty() {
            vec!["10.0.0.0/8".to_owned()]
        } else {
            founding.pools
        }),
        subnet_size: if founding.subnet_size == 0 {
            24
        } else {
            founding.subnet_size
        },
        data_path_port: if founding.data_path_port == 0 {
            4789
        } else {
            founding.data_path_port
        },
        keys: Some(keys),
        ..Cluster::default()
    };
    let mut node = Node {
        id: node_id.clone(),
        meta: Meta::new(now),
        ..Node::default()
    };
    node.spec.role = NodeRole::Manager;
    node.spec.availability = founding.availability;
    node.description = NodeDescription {
        tls_info: Some(tls_info),
        ..founding.description
    };
    node.status.addr = Some(founding.address.ip().to_string());
    node.membership.role = NodeRole::Manager;
    node.membership.raft_id = Some(FIRST_RAFT_ID);
    node.membership.board = founding.board;
    node.membership.address = Some(founding.address);
    let mut first = Transaction::new();
    first.create(cluster).create(node);
    Ok(Founded {
        first,
        identity,
        node: node_id,
    })
}

/// Swarm's defaults where nothing was asked for (swarm.md 1.8 to 1.11).
fn filled_in(spec: ClusterSpec, name: &str) -> ClusterSpec {
    const SECOND: i64 = 1_000_000_000;
    ClusterSpec {
        name: Some(spec.name.unwrap_or_else(|| name.to_owned())),
        labels: Some(spec.labels.unwrap_or_default()),
        orchestration: Orchestration {
            task_history_retention_limit: Some(spec.orchestration.task_history_retention_limit.unwrap_or(5)),
        },
        raft: RaftSettings {
            snapshot_interval: Some(
                spec.raft
                    .snapshot_interval
                    .filter(|entries| *entries != 0)
                    .unwrap_or(10_000),
            ),
            keep_old_snapshots: Some(spec.raft.keep_old_snapshots.unwrap_or(0)),
            log_entries_for_slow_followers: Some(
                spec.raft
                    .log_entries_for_slow_followers
                    .filter(|entries| *entries != 0)
                    .unwrap_or(500),
            ),
            election_tick: Some(spec.raft.election_tick.filter(|tick| *tick != 0).unwrap_or(10)),
            heartbeat_tick: Some(spec.raft.heartbeat_tick.filter(|tick| *tick != 0).unwrap_or(1)),
        },
        dispatcher: DispatcherSettings {
            heartbeat_period: Some(
                spec.dispatcher
                    .heartbeat_period
                    .filter(|period| *period != 0)
                    .unwrap_or(5 * SECOND),
            ),
        },
        ca_config: CaSettings {
            node_cert_expiry: Some(
                spec.ca_config
                    .node_cert_expiry
                    .filter(|expiry| *expiry != 0)
                    .unwrap_or(90 * 24 * 3600 * SECOND),
            ),
            ..spec.ca_config
        },
        task_defaults: spec.task_defaults,
        encryption_config: EncryptionSettings {
            auto_lock_managers: Some(spec.encryption_config.auto_lock_managers.unwrap_or(false)),
        },
    }
}

/// How long nodes' certificates are good.
pub(crate) fn validity(spec: &ClusterSpec) -> Duration {
    let nanos = spec.ca_config.node_cert_expiry;
    nanos
        .and_then(|nanos| u64::try_from(nanos).ok())
        .filter(|nanos| *nanos > 0)
        .map_or(pki::DEFAULT_VALIDITY, Duration::from_nanos)
}

/// The certificate authority as inspect shows it: empty fields for a certificate that can't be read.
pub fn tls_info(ca_pem: &str) -> TlsInfo {
    let (subject, key) = pki::ca::issuer_of(ca_pem).unwrap_or_default();
    TlsInfo {
        trust_root: ca_pem.to_owned(),
        cert_issuer_subject: subject,
        cert_issuer_public_key: key,
    }
}
