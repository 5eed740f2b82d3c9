//! The lab: a cluster of boards on one machine, each with its own network, host name, mounts and control groups, joined by a
//! virtual switch, and each running the real daemon with real containers.
//!
//! The library is what suites and benches use ([`Lab`], [`Board`]); the binary (`cargo lab`) gives the same to people. The lab
//! knows nothing of the daemon's insides: it writes a configuration file, starts the binary and talks to the Engine API. It
//! must build without protoc and without any of the daemon's rooms, because it installs what they need.
//!
//! `README.md` beside this crate says how a board is made and what each power cut, pulled cable and kill does to it.

mod board;
pub mod cargo;
mod cgroups;
mod claim;
mod clock;
mod config;
mod docker;
mod down;
mod engine;
mod furnish;
mod http;
pub mod images;
mod janitor;
mod lab;
mod load;
mod logs;
pub mod machine;
mod net;
mod paths;
mod place;
mod provide;
mod ran;
mod ready;
mod registry;
pub mod setup;

pub use board::Board;
pub use clock::{Since, wait_for};
pub use docker::{Running, docker_command};
pub use down::{down, power_off};
pub use engine::engine;
pub use http::Response;
pub use janitor::watch_owner;
pub use lab::{Lab, Options, must_be_free};
pub use load::{Load, Style, Tally, fetch, in_turn};
pub use logs::{kept_logs, tail};
pub use net::MOST_BOARDS;
pub use paths::{Name, repository};
pub use ran::{Ran, run};
pub use ready::Standing;
