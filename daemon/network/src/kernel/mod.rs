//! The hands: small verbs on the kernel, each of which may be repeated. No policy here.

pub mod bridge;
pub mod filter;
mod link;
pub mod links;
pub mod member;
pub mod namespace;
pub mod neighbours;
pub mod overlay;
pub mod routes;
pub mod sessions;
pub mod wireguard;

pub use link::{Link, Within};
pub use links::Links;
