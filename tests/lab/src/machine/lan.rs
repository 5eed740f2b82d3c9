//! The virtual LAN: a switch that machines are plugged into, and the one computer on it that isn't a board.
//!
//! Every machine has one network card, as a Pi has. A further QEMU, without a processor (`-machine none`), plugs its user network
//! in: that is the LAN's DHCP server and the way in for the test, by ports of 127.0.0.1. `restrict=on` lets nothing out.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use super::{
    qemu::QEMU,
    switch::{Mac, Switch},
};
use crate::{
    Ran,
    ran::{run, run_with, typed},
};

/// Its DHCP server gives 10.0.2.15, .16 and so on.
const FIRST: u8 = 15;
/// As many addresses can be reached from outside.
const ADDRESSES: u8 = 6;

/// A LAN that ends with the value.
#[derive(Debug)]
pub struct Lan {
    uplink: Child,
    switch: Switch,
    /// Ports of 127.0.0.1 that lead to port 22 of the addresses.
    doors: Vec<u16>,
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
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key))
        .ok()?;
        let switch = Switch::start()?;
        let mut user = "user,id=user,restrict=on".to_owned();
        let mut doors = Vec::new();
        // All are held until all are chosen, so that no two are the same.
        let hold = |_| TcpListener::bind("127.0.0.1:0");
        let held = (0..ADDRESSES).map(hold).collect::<Result<Vec<_>, _>>()?;
        for (number, listener) in (FIRST..).zip(&held) {
            let door = listener.local_addr()?.port();
            user.push_str(&format!(",hostfwd=tcp:127.0.0.1:{door}-10.0.2.{number}:22"));
            doors.push(door);
        }
        drop(held);
        let log = fs::File::create(dir.join("lan.log"))?;
        let uplink = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", QEMU])
            .args(["-machine", "none", "-nodefaults", "-display", "none"])
            .args(["-netdev", &user, "-netdev", &format!("{},id=lan", switch.plug()?)])
            .args(["-netdev", "hubport,id=a,hubid=0,netdev=user"])
            .args(["-netdev", "hubport,id=b,hubid=0,netdev=lan"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start QEMU by setpriv")?;
        Ok(Lan {
            uplink,
            switch,
            doors,
            key,
        })
    }

    /// A cable's end in QEMU's words.
    ///
    /// # Errors
    /// When there is no port of the loopback interface left.
    pub(super) fn plug(&self) -> Result<String> {
        self.switch.plug()
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
        self.switch.address(mac)
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
        let _ = self.uplink.kill();
        let _ = self.uplink.wait();
    }
}
