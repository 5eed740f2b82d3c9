//! The Docker Engine API over HTTP: parse, ask, render.
//!
//! Everything about the cluster is asked of a [`Backend`]; this room knows routes, query strings, filters, Docker's
//! status codes and the framing of its streams. Since the model *is* the API's JSON, rendering is serialization.
//!
//! ```text
//!  socket → version prefix → role (roles) → place: here ──→ handler → Backend
//!                              └─ elsewhere → Backend::forward (the leader answers)
//! ```

pub mod backend;
mod body;
mod boundary;
mod containers;
mod contexts;
mod deposits;
mod events;
mod exec;
mod filters;
mod find;
mod hijack;
mod images;
mod leftover;
pub mod local;
mod logs;
mod networks;
mod nodes;
mod query;
mod refusals;
pub mod roles;
mod routes;
mod server;
mod services;
mod swarm;
mod system;
mod tasks;
mod tls;
pub mod updates;
mod usage;
mod version;
pub mod volumes;

pub use backend::{Backend, Error, Place};
pub use local::Local;
pub use routes::{answer, router};
pub use server::serve;
pub use tls::{Holder, serve_tls};
pub use version::{API_VERSION, MIN_API_VERSION};

#[cfg(test)]
mod bent_bodies;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_local;
