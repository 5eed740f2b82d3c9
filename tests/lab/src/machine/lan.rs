//! The virtual LAN: a switch that machines are plugged into, and the one computer on it that isn't a board.
//!
//! Every machine has one network card, as a Pi has, plugged into a multicast group on the loopback interface, which QEMU carries
//! frames through. A further QEMU without a processor (`-machine none`) joins that group to QEMU's user network: that is the LAN's
//! DHCP server and the way in for the test, by ports of 127.0.0.1. `restrict=on` lets nothing out.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use super::{
    hearing::{Hearing, Mac},
    qemu::QEMU,
};
use crate::{
    Ran,
    ran::{call, run_with, typed},
};

/// Its DHCP server gives 10.0.2.15, .16 and so on.
const FIRST: u8 = 15;
/// As many addresses can be reached from outside.
const ADDRESSES: u8 = 6;
pub(super) const GROUP: Ipv4Addr = Ipv4Addr::new(230, 0, 0, 1);

/// A LAN that ends with the value.
#[derive(Debug)]
pub struct Lan {
    switch: Child,
    port: u16,
    /// Ports of 127.0.0.1 that lead to port 22 of the addresses.
    doors: Vec<u16>,
    hearing: Hearing,
    key: PathBuf,
}

impl Lan {
    /// A LAN with its files in `dir`.
    ///
    /// # Errors
    /// When QEMU or ssh-keygen can't be started.
    pub fn start(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let key = dir.join("key");
        call(
            "ssh-keygen",
            &[
                "-q".as_ref(),
                "-t".as_ref(),
                "ed25519".as_ref(),
                "-N".as_ref(),
                "".as_ref(),
                "-f".as_ref(),
                key.as_os_str(),
            ],
        )?;
        let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut uplink = "user,id=uplink,restrict=on".to_owned();
        let mut doors = Vec::new();
        // All are held until all are chosen, so that no two are the same.
        let held = (0..ADDRESSES)
            .map(|_| TcpListener::bind("127.0.0.1:0"))
            .collect::<Result<Vec<_>, _>>()?;
        for (number, listener) in (FIRST..).zip(&held) {
            let door = listener.local_addr()?.port();
            uplink.push_str(&format!(",hostfwd=tcp:127.0.0.1:{door}-10.0.2.{number}:22"));
            doors.push(door);
        }
        drop(held);
        let hearing = Hearing::start(port)?;
        let log = fs::File::create(dir.join("lan.log"))?;
        let switch = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                QEMU,
                "-machine",
                "none",
                "-nodefaults",
                "-display",
                "none",
            ])
            .args(["-netdev", &uplink, "-netdev", &format!("{},id=lan", plug(port))])
            .args([
                "-netdev",
                "hubport,id=a,hubid=0,netdev=uplink",
                "-netdev",
                "hubport,id=b,hubid=0,netdev=lan",
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start QEMU by setpriv")?;
        Ok(Lan {
            switch,
            port,
            doors,
            hearing,
            key,
        })
    }

    /// A cable's end in QEMU's words.
    pub(super) fn plug(&self) -> String {
        plug(self.port)
    }

    /// The public half of the key that opens the boards.
    ///
    /// # Errors
    /// When its file is gone.
    pub fn public_key(&self) -> Result<String> {
        Ok(fs::read_to_string(self.key.with_extension("pub"))?
            .trim()
            .to_owned())
    }

    /// The address by which the board with that network card was last heard, if that address came from the LAN.
    pub(super) fn address(&self, mac: Mac) -> Option<Ipv4Addr> {
        self.hearing.address(mac)
    }

    /// The way in to an address.
    pub(super) fn door(&self, address: Ipv4Addr) -> Result<u16> {
        let index = address.octets()[3].checked_sub(FIRST).map(usize::from);
        let door = index.and_then(|index| self.doors.get(index)).copied();
        door.with_context(|| format!("the LAN has no way in to {address}"))
    }

    /// Runs a command on the board behind a door, as root, with `input` on its standard input.
    pub(super) fn ssh(&self, door: u16, command: &str, input: Stdio) -> Ran {
        let mut ssh = self.ssh_command(door);
        ssh.arg(command);
        run_with(&mut ssh, input)
    }

    /// The ssh command for people.
    pub fn ssh_line(&self, door: u16) -> String {
        typed(&self.ssh_command(door))
    }

    fn ssh_command(&self, door: u16) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-i"]).arg(&self.key);
        for option in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            // Boards make their keys themselves, and behind one door there is now this board and now that.
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            // An emulated processor needs seconds for its half of the handshake.
            "ConnectTimeout=60",
            "ServerAliveInterval=10",
            "ServerAliveCountMax=6",
        ] {
            ssh.args(["-o", option]);
        }
        ssh.args(["-p", &door.to_string(), "root@127.0.0.1"]);
        ssh
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let _ = self.switch.kill();
        let _ = self.switch.wait();
    }
}

fn plug(port: u16) -> String {
    format!("socket,mcast={GROUP}:{port},localaddr=127.0.0.1")
}
