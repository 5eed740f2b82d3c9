//! The LAN's switch: QEMU's network cards are plugged into it by UDP on the loopback interface, a frame a datagram.
//!
//! It learns what is behind its ports as switches do, floods what it doesn't know and what is for all (mDNS among it), and remembers
//! the address that each board speaks from. (A multicast group would do without a switch, but gives everyone his own frames back, in
//! which the LAN's DHCP server drowns.)

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result};

/// More ports, or more network cards behind one, than any test has.
const MOST: usize = 64;

/// The address of a network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mac([u8; 6]);

impl Mac {
    /// Of the machine with that number: locally administered, as QEMU's are.
    pub fn of(number: u8) -> Self {
        Mac([0x52, 0x54, 0x00, 0x62, 0x72, number])
    }

    /// Whether it stands for more than one card.
    fn is_for_many(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        f.write_str(&parts.join(":"))
    }
}

/// A switch that works until the value ends.
#[derive(Debug)]
pub(super) struct Switch {
    address: SocketAddr,
    table: Arc<Mutex<Table>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Switch {
    /// With no cable in it.
    pub fn start() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").context("cannot make a virtual LAN")?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let (table, over) = (
            Arc::new(Mutex::new(Table::default())),
            Arc::new(AtomicBool::new(false)),
        );
        let (known, end) = (Arc::clone(&table), Arc::clone(&over));
        Ok(Switch {
            address: socket.local_addr()?,
            table,
            over,
            thread: Some(thread::spawn(move || work(&socket, &known, &end))),
        })
    }

    /// A cable from a new port to a network card, in QEMU's words.
    ///
    /// # Errors
    /// When there is no port of the loopback interface left.
    pub fn plug(&self) -> Result<String> {
        // Held while it is looked for, and QEMU's from then on.
        let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        self.table().ports.insert(port);
        Ok(format!("socket,udp={},localaddr={port}", self.address))
    }

    /// The address on the LAN that a card last spoke from.
    pub fn address(&self, mac: Mac) -> Option<Ipv4Addr> {
        self.table().addresses.get(&mac).copied()
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(socket: &UdpSocket, table: &Mutex<Table>, over: &AtomicBool) {
    let mut frame = vec![0; 1 << 16];
    while !over.load(Ordering::Relaxed) {
        // At a time-out there is nothing but the end to look for.
        let Ok((length, from)) = socket.recv_from(&mut frame) else {
            continue;
        };
        let frame = &frame[..length];
        let to = table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .forward(from, frame);
        for port in to {
            // A machine that is off hears nothing.
            let _ = socket.send_to(frame, port);
        }
    }
}

/// What a switch knows.
#[derive(Debug, Default)]
struct Table {
    ports: BTreeSet<SocketAddr>,
    cards: BTreeMap<Mac, SocketAddr>,
    addresses: BTreeMap<Mac, Ipv4Addr>,
}

impl Table {
    /// Learns from a frame, and gives the ports that it goes to.
    fn forward(&mut self, from: SocketAddr, frame: &[u8]) -> Vec<SocketAddr> {
        let mac = |at: usize| frame.get(at..at + 6)?.try_into().ok().map(Mac);
        let (Some(to), Some(sender)) = (mac(0), mac(6)) else {
            return Vec::new();
        };
        if !self.ports.contains(&from) {
            return Vec::new();
        }
        if self.cards.len() < MOST {
            self.cards.insert(sender, from);
            if let Some(address) = own_address(frame) {
                self.addresses.insert(sender, address);
            }
        }
        match self.cards.get(&to) {
            Some(port) if !to.is_for_many() => (*port != from).then_some(*port).into_iter().collect(),
            _ => self.ports.iter().copied().filter(|port| *port != from).collect(),
        }
    }
}

/// The address of the LAN that a frame's sender speaks of as its own.
fn own_address(frame: &[u8]) -> Option<Ipv4Addr> {
    let at = match frame.get(12..14)? {
        // IPv4, and ARP for it.
        [0x08, 0x00] => 26,
        [0x08, 0x06] => 28,
        _ => return None,
    };
    let address: [u8; 4] = frame.get(at..at + 4)?.try_into().ok()?;
    // Link-local ones are not what the LAN gave.
    address.starts_with(&[10, 0, 2]).then(|| address.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Mac = Mac([0xff; 6]);

    fn arp(to: Mac, from: Mac, address: [u8; 4]) -> Vec<u8> {
        let mut frame = to.0.to_vec();
        frame.extend(from.0);
        frame.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend(from.0);
        frame.extend(address);
        frame.extend([0; 10]);
        frame
    }

    fn port(number: u16) -> SocketAddr {
        ([127, 0, 0, 1], number).into()
    }

    fn table(ports: u16) -> Table {
        Table {
            ports: (1..=ports).map(port).collect(),
            ..Table::default()
        }
    }

    #[test]
    fn what_is_for_all_goes_to_all_others_and_an_answer_to_the_one_who_asked() {
        let mut table = table(3);
        let (one, two) = (Mac::of(1), Mac::of(2));
        assert_eq!(
            table.forward(port(1), &arp(ALL, one, [10, 0, 2, 15])),
            [port(2), port(3)]
        );
        assert_eq!(table.forward(port(2), &arp(one, two, [10, 0, 2, 16])), [port(1)]);
        assert_eq!(
            table.forward(port(1), &arp(two, one, [169, 254, 1, 1])),
            [port(2)]
        );
        assert_eq!(table.addresses[&one], Ipv4Addr::new(10, 0, 2, 15));
        assert_eq!(table.addresses[&two], Ipv4Addr::new(10, 0, 2, 16));
        assert_eq!(one.to_string(), "52:54:00:62:72:01");
    }

    #[test]
    fn who_is_not_plugged_in_is_not_heard() {
        let mut table = table(2);
        assert!(
            table
                .forward(port(9), &arp(ALL, Mac::of(1), [10, 0, 2, 15]))
                .is_empty()
        );
        assert!(table.cards.is_empty());
    }

    proptest! {
        /// Nobody gets his own frame back, and all frames end.
        #[test]
        fn no_frame_comes_back(frames in proptest::collection::vec((1_u16..5, proptest::collection::vec(0_u8..4, 0..40)), 0..200)) {
            let mut table = table(3);
            for (from, frame) in frames {
                let to = table.forward(port(from), &frame);
                prop_assert!(!to.contains(&port(from)));
                prop_assert!(to.len() <= 2);
                prop_assert!(table.cards.len() <= MOST && table.addresses.len() <= MOST);
            }
        }
    }
}
