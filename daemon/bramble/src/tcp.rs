//! The Engine API over TCP: a manager's board shows a certificate with its own names, made anew when those change.
//!
//! Managers sign it themselves, so the API answers also without a quorum. A worker has no key to sign with and answers no
//! one over TCP: what concerns the cluster it could not answer anyway.

use crate::node::Node;
use crate::standing::Standing;
use api::roles::Visitor;
use manager::control::access;
use pki::access as certificates;
use rustls::ServerConfig;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Where the API is served over TCP unless the settings say otherwise: Docker's port for TLS.
pub const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 2376);
/// How often this board looks whether its own names changed.
const LOOK: Duration = Duration::from_secs(10);
/// The same while there is nothing to show yet.
const LOOK_SOON: Duration = Duration::from_millis(250);
/// A certificate is made anew after half of its life.
const HALF_LIFE: Duration = Duration::from_secs(45 * 24 * 3600);

/// Opens the listener that the settings ask for. A port that is taken stops the daemon only if a person chose it.
///
/// # Errors
/// If the address that was set can't be listened at.
pub async fn listen(wish: crate::config::Tls) -> anyhow::Result<Option<TcpListener>> {
    let (address, chosen) = match wish {
        crate::config::Tls::Off => return Ok(None),
        crate::config::Tls::Usual => (USUAL, false),
        crate::config::Tls::At(address) => (address, true),
    };
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if chosen => {
            Err(anyhow::Error::new(error).context(format!("api-tls: listening at {address}")))
        }
        Err(error) => {
            tracing::warn!(%error, %address, "the Engine API is not served over TCP");
            Ok(None)
        }
    }
}

/// Serves the API over TCP until shutdown.
pub async fn serve(
    node: Arc<Node>,
    listener: TcpListener,
    router: axum::Router,
    shutdown: CancellationToken,
) {
    let (shown, tls) = watch::channel(None);
    let holder: api::Holder = Arc::new(|chain| {
        let holder = certificates::holder_of(chain)?;
        Some(Visitor {
            role: holder.role,
            certificate: Some(holder.id),
        })
    });
    let serving = api::serve_tls(listener, tls, holder, router, shutdown);
    tokio::select! {
        () = serving => {}
        never = show(&node, &shown) => match never {},
    }
}

/// What a certificate was made for.
#[derive(PartialEq)]
struct Shown {
    root: String,
    addresses: BTreeSet<IpAddr>,
}

async fn show(node: &Node, shown: &watch::Sender<Option<Arc<ServerConfig>>>) -> std::convert::Infallible {
    let mut managers = node.manager.subscribe();
    let mut last: Option<(Shown, Instant)> = None;
    loop {
        managers.mark_unchanged();
        let ca = match *node.standing.borrow() {
            Standing::In => node
                .store()
                .and_then(|store| access::authority(&store.view()).ok()),
            _ => None,
        };
        match ca {
            None => {
                shown.send_replace(None);
                last = None;
            }
            Some(ca) => {
                let wanted = Shown {
                    root: ca.cert_pem().to_owned(),
                    addresses: addresses(node),
                };
                let fresh = |(was, at): &(Shown, Instant)| *was == wanted && at.elapsed() < HALF_LIFE;
                if !last.as_ref().is_some_and(fresh) {
                    match make(node, &ca, &wanted) {
                        Ok(config) => {
                            shown.send_replace(Some(config));
                            last = Some((wanted, Instant::now()));
                        }
                        Err(error) => tracing::warn!(%error, "no certificate for the Engine API over TCP"),
                    }
                }
            }
        }
        let pause = match (&last, managers.borrow().is_some()) {
            (None, true) => LOOK_SOON,
            _ => LOOK,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = managers.changed() => if changed.is_err() { std::future::pending::<()>().await },
        }
    }
}

fn addresses(node: &Node) -> BTreeSet<IpAddr> {
    let mut found: BTreeSet<IpAddr> = crate::addresses::own(node.config.advertise.as_ref())
        .into_iter()
        .collect();
    found.extend(crate::addresses::own(None));
    found.insert(node.address().ip());
    found.extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    found.retain(|address| !address.is_unspecified());
    found
}

fn make(node: &Node, ca: &pki::Ca, wanted: &Shown) -> Result<Arc<ServerConfig>, pki::Error> {
    let name = &node.config.hostname;
    let hosts = [name.clone(), format!("{name}.local"), "localhost".to_owned()];
    let addresses: Vec<IpAddr> = wanted.addresses.iter().copied().collect();
    let issued = certificates::server(ca, &addresses, &hosts, pki::DEFAULT_VALIDITY, node.clock.now())?;
    certificates::server_config(&wanted.root, &issued, &node.clock)
}
