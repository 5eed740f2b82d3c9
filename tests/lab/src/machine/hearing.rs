//! Who is on a LAN: listens to the frames of its multicast group, as a switch learns what is behind its ports.

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, UdpSocket},
    os::fd::AsRawFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result};
use nix::sys::socket::{
    AddressFamily, IpMembershipRequest, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket,
    sockopt::{IpAddMembership, ReuseAddr},
};

use super::lan::GROUP;

/// The address of a network card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mac([u8; 6]);

/// What all cards of our machines begin with: locally administered, as QEMU's are.
const OURS: [u8; 5] = [0x52, 0x54, 0x00, 0x62, 0x72];

impl Mac {
    /// Of the machine with that number.
    pub fn of(number: u8) -> Self {
        let [a, b, c, d, e] = OURS;
        Mac([a, b, c, d, e, number])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        f.write_str(&parts.join(":"))
    }
}

type Heard = Arc<Mutex<BTreeMap<Mac, Ipv4Addr>>>;

/// An ear on a LAN, until the value ends.
#[derive(Debug)]
pub(super) struct Hearing {
    heard: Heard,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hearing {
    /// On the group's port.
    pub fn start(port: u16) -> Result<Self> {
        let ear = ear(port).context("cannot listen to the virtual LAN")?;
        ear.set_read_timeout(Some(Duration::from_millis(200)))?;
        let (heard, over) = (Heard::default(), Arc::new(AtomicBool::new(false)));
        let (notes, end) = (Arc::clone(&heard), Arc::clone(&over));
        let thread = thread::spawn(move || {
            let mut frame = [0; 2048];
            while !end.load(Ordering::Relaxed) {
                // At a time-out there is nothing but the end to look for.
                let Ok(length) = ear.recv(&mut frame) else {
                    continue;
                };
                if let Some((mac, address)) = sender(&frame[..length]) {
                    notes
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(mac, address);
                }
            }
        });
        Ok(Hearing {
            heard,
            over,
            thread: Some(thread),
        })
    }

    /// The address that a card last spoke from.
    pub fn address(&self, mac: Mac) -> Option<Ipv4Addr> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&mac)
            .copied()
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A socket in the group, beside those of QEMU.
fn ear(port: u16) -> Result<UdpSocket> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    setsockopt(&socket, ReuseAddr, &true)?;
    let [a, b, c, d] = GROUP.octets();
    bind(socket.as_raw_fd(), &SockaddrIn::new(a, b, c, d, port))?;
    let request = IpMembershipRequest::new(GROUP, Some(Ipv4Addr::LOCALHOST));
    setsockopt(&socket, IpAddMembership, &request)?;
    Ok(UdpSocket::from(socket))
}

/// Which of our cards sent a frame, and the address on the LAN that it speaks of as its own.
fn sender(frame: &[u8]) -> Option<(Mac, Ipv4Addr)> {
    let mac: [u8; 6] = frame.get(6..12)?.try_into().ok()?;
    let at = match frame.get(12..14)? {
        // IPv4, and ARP for it.
        [0x08, 0x00] => 26,
        [0x08, 0x06] => 28,
        _ => return None,
    };
    let address: [u8; 4] = frame.get(at..at + 4)?.try_into().ok()?;
    // Link-local addresses and that of containers behind the board are not what the LAN gave.
    (mac.starts_with(&OURS) && address.starts_with(&[10, 0, 2])).then(|| (Mac(mac), address.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::wait_for;

    fn arp(mac: Mac, address: [u8; 4]) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend(mac.0);
        frame.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend(mac.0);
        frame.extend(address);
        frame.extend([0; 10]);
        frame
    }

    #[test]
    fn a_sender_is_one_of_ours_with_an_address_of_the_lan() {
        let ours = Mac::of(2);
        assert_eq!(
            sender(&arp(ours, [10, 0, 2, 16])),
            Some((ours, [10, 0, 2, 16].into()))
        );
        assert_eq!(sender(&arp(ours, [0, 0, 0, 0])), None);
        assert_eq!(sender(&arp(ours, [169, 254, 1, 1])), None);
        assert_eq!(sender(&arp(Mac([2; 6]), [10, 0, 2, 2])), None);
        for length in 0..32 {
            assert_eq!(sender(&arp(ours, [10, 0, 2, 16])[..length]), None);
        }
        assert_eq!(ours.to_string(), "52:54:00:62:72:02");
    }

    #[test]
    fn what_is_said_in_the_group_is_heard() {
        let port = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let hearing = Hearing::start(port).unwrap();
        let ours = Mac::of(7);
        // Bound to the loopback address, as QEMU's are, it sends to the group by the loopback interface.
        let mouth = UdpSocket::bind("127.0.0.1:0").unwrap();
        let heard = wait_for("the address", Duration::from_secs(5), || {
            mouth.send_to(&arp(ours, [10, 0, 2, 15]), (GROUP, port))?;
            Ok(hearing.address(ours))
        });
        assert_eq!(heard.unwrap(), Ipv4Addr::new(10, 0, 2, 15));
    }
}
