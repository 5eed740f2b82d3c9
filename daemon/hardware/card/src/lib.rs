//! What a card says: the keys of `bramble.toml` on the boot partition, read leniently, and what follows from them.
//!
//! This room is pure: text in, values out. `bramble setup` and `bramble daemon` carry it out.
//!
//! # The keys
//! All may be absent. Who reads a key: S is `bramble setup` (before the network), D is `bramble daemon`.
//!
//! ```toml
//! cluster = "home"                     # D  the cluster to be in: 1 to 63 letters, digits, '-', '_', '.'; with none, the
//!                                      #    board waits for `docker swarm init` or `join`
//! join-key = "…"                       # D  8 to 256 characters, the same on all cards; taken off the card once the board is in
//! boards = 3                           # D  how many boards found the cluster together: 1 to 1000
//! hostname = "kitchen-{serial}"        # SD letters, digits and '-', up to 63; {serial}: the last six hex digits of the board's
//!                                      #    serial number; `bramble-{serial}` if absent
//! ssh-keys = ["ssh-ed25519 AAAA… me"]  # S  who may log in as root; with none, there is no ssh at all
//! timezone = "Europe/Berlin"           # S  a name of the IANA database; UTC if absent
//! api = "/run/docker.sock"             # D  the Engine API's socket
//! api-tls = "0.0.0.0:2376"             # D  the same over TCP for holders of client certificates; "off": not
//! listen = "0.0.0.0:2377"              # D  where other boards reach this one
//! advertise = "eth0"                   # D  the interface or address to be found by
//! state-dir = "/var/lib/bramble"       # D  what must last
//! run-dir = "/run/bramble"             # D  what goes with a reboot
//! containerd = "/run/containerd/containerd.sock"   # D  used if it runs
//! registry-mirror = "http://10.0.0.2:5000"         # D  asked first for plain image names
//! insecure-registries = ["10.0.0.0/24"]            # D  spoken to in plain HTTP
//! generic-resources = ["gpu=UUID1", "bandwidth=3"] # D  kind=name or kind=number
//! log = "info"                         # D  filter of the log
//! led = true                           # D  the board's LED shows where it stands
//! watchdog = false                     # D  feed the hardware watchdog (the image switches it on)
//! board-root = "/"                     # D  where the kernel's files about the board are: for tests and odd hardware
//!
//! [labels]                             # D  engine.labels.* in constraints; values are strings
//! ssd = "true"
//!
//! [wifi]                               # S
//! ssid = "home"                        #    1 to 32 bytes; needed in this table
//! passphrase = "…"                     #    8 to 63 printable ASCII characters, or 64 hex digits; WPA2 and WPA3 personal. Absent or
//!                                      #    "": an open network. Taken off the card once it is kept on the data partition
//! country = "DE"                       #    two capital letters (ISO 3166): which channels are allowed
//! hidden = false                       #    true: the network does not tell its name
//!
//! [network]                            # S  DHCP if absent; 169.254.x.y where no server answers
//! address = "192.168.1.10/24"          #    a static address with its prefix length, IPv4 or IPv6
//! gateway = "192.168.1.1"              #    in that network; only with address
//! dns = ["192.168.1.1"]                #    name servers; also with DHCP, then asked beside those that it tells
//! interface = "eth0"                   #    which interface this table is for: the wired one if absent, else wlan0
//! ```
//!
//! # Mistakes
//! A board comes up as far as it can. [`read`] takes every key that is right and names every mistake with its line:
//! - a line that is no TOML is left out, and a table's head that is none with all that belongs to it;
//! - an unknown key, or a value that is not allowed, is left out alone; of a list only the entry;
//! - a `[wifi]` whose passphrase may be what the mistake has hit is not taken for an open network: the board stays with what it
//!   kept of the last good card ([`Reading::wifi_spoiled`]);
//! - a text with so many mistakes that it is something else counts as no card ([`Reading::whole`]): the board stays with what
//!   it kept.

#![deny(missing_docs)]

mod files;
mod keys;
mod kinds;
mod lenient;
mod name;
mod problem;
mod read;
mod take_off;
mod values;

pub use files::{AUTHORIZED_KEYS, Facts, LOCALTIME, NETWORKS, WIFI, Wanted, ZONES, effective, files};
pub use kinds::{Card, Network, Secret, Subnet, Wifi};
pub use name::{host_name, short_serial};
pub use problem::{Problem, plain};
pub use read::{LONGEST, Reading, read, read_bytes};
pub use take_off::{Left, Taken, take_off};
