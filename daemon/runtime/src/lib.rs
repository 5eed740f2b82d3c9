//! The only home of containerd: images, containers, what they write.
//!
//! ```text
//!  exec::Controller ── container ─┬─ image (reference, registry, pull)
//!                                 ├─ spec (pure: image config + task → OCI spec)
//!                                 ├─ logs (fifos → files, rotated)
//!                                 └─ containerd (one running already, or our own)
//! ```
//! Everything is idempotent: told the wanted state it makes it so, whatever a crash left; "not found" on removal is
//! success. Containers and their shims outlive this daemon, and are found again by it.

mod client;
mod config;
mod container;
mod devices;
mod ended;
mod engine;
mod executor;
mod facts;
mod files;
mod health;
mod image;
mod kept;
mod local;
mod logs;
mod probe;
mod refuse;
mod scene;
mod spec;
mod users;
mod versions;
mod volumes;

pub use config::{ChangingLabels, Config};
pub use executor::{OpenError, Resolved, Runtime};
pub use image::{Credentials, Reference};
pub use local::{Incoming, Local, Refused, Session, Until};
pub use versions::Versions;
pub use volumes::{NewVolume, VolumeError, Volumes};
