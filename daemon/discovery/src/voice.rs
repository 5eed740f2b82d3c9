//! mDNS: announces this board's card and gathers others'.

use crate::Card;
use mdns_sd::{IfKind, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

/// What boards announce.
const SERVICE: &str = "_bramble._tcp.local.";
/// Boards that are remembered; more are ignored, so that a noisy LAN does not fill the memory.
const MOST: usize = 1024;

/// Another board, as it was last heard of.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// What it says of itself.
    pub card: Card,
    /// Where it says that it is.
    pub addresses: Vec<IpAddr>,
    /// When it first came into sight.
    pub since: Instant,
}

/// Why there is no mDNS.
#[derive(Debug, thiserror::Error)]
#[error("mDNS: {0}")]
pub struct DiscoveryError(#[from] mdns_sd::Error);

/// This board's ears and voice on the LAN.
pub struct Discovery {
    daemon: ServiceDaemon,
    sightings: watch::Receiver<Arc<Vec<Sighting>>>,
    announced: Option<(Card, Vec<IpAddr>)>,
}

impl Discovery {
    /// Starts to listen, on one interface or on all but loopback.
    ///
    /// # Errors
    /// [`DiscoveryError`]
    pub fn start(interface: Option<&str>, me: String) -> Result<Self, DiscoveryError> {
        let daemon = ServiceDaemon::new()?;
        match interface {
            Some(name) => {
                daemon.disable_interface(IfKind::All)?;
                daemon.enable_interface(IfKind::Name(name.to_owned()))?;
            }
            None => {
                daemon.disable_interface(IfKind::LoopbackV4)?;
                daemon.disable_interface(IfKind::LoopbackV6)?;
            }
        }
        let events = daemon.browse(SERVICE)?;
        let (seen, sightings) = watch::channel(Arc::default());
        tokio::spawn(async move {
            let mut boards = BTreeMap::new();
            // Ends when the daemon is shut down.
            while let Ok(event) = events.recv_async().await {
                if hear(&mut boards, event, &me) {
                    seen.send_replace(Arc::new(boards.values().cloned().collect()));
                }
            }
        });
        Ok(Self {
            daemon,
            sightings,
            announced: None,
        })
    }

    /// Says what this board is now; again whenever that changes.
    ///
    /// # Errors
    /// [`DiscoveryError`]
    pub fn announce(&mut self, card: Card, addresses: Vec<IpAddr>) -> Result<(), DiscoveryError> {
        let wanted = Some((card, addresses));
        if self.announced == wanted {
            return Ok(());
        }
        if let Some((card, addresses)) = &wanted {
            let host = format!("{}.local.", card.board);
            let texts: Vec<(String, String)> = card.texts().into_iter().collect();
            let info = ServiceInfo::new(SERVICE, &card.board, &host, &addresses[..], card.port, &texts[..])?;
            self.daemon.register(info)?;
        }
        self.announced = wanted;
        Ok(())
    }

    /// Who is in sight.
    pub fn sightings(&self) -> watch::Receiver<Arc<Vec<Sighting>>> {
        self.sightings.clone()
    }

    /// Says goodbye.
    pub async fn close(self) {
        if let Some((card, _)) = &self.announced
            && let Ok(done) = self.daemon.unregister(&format!("{}.{SERVICE}", card.board))
        {
            let patience = std::time::Duration::from_millis(500);
            let _ = tokio::time::timeout(patience, done.recv_async()).await;
        }
        let _ = self.daemon.shutdown();
    }
}

/// Takes an event; true if who is in sight has changed.
fn hear(boards: &mut BTreeMap<String, Sighting>, event: ServiceEvent, me: &str) -> bool {
    match event {
        ServiceEvent::ServiceResolved(service) => {
            let Some(card) = read(&service) else { return false };
            if card.board == me || (boards.len() >= MOST && !boards.contains_key(&service.fullname)) {
                return false;
            }
            let mut addresses: Vec<IpAddr> = service
                .addresses
                .iter()
                .map(mdns_sd::ScopedIp::to_ip_addr)
                .collect();
            addresses.sort();
            let since = boards
                .get(&service.fullname)
                .map_or_else(Instant::now, |known| known.since);
            let sighting = Sighting {
                card,
                addresses,
                since,
            };
            let news = boards.get(&service.fullname) != Some(&sighting);
            boards.insert(service.fullname.clone(), sighting);
            news
        }
        ServiceEvent::ServiceRemoved(_, fullname) => boards.remove(&fullname).is_some(),
        _ => false,
    }
}

fn read(service: &ResolvedService) -> Option<Card> {
    Card::read(service.port, |key| {
        service
            .txt_properties
            .get_property_val_str(key)
            .map(str::to_owned)
    })
}
