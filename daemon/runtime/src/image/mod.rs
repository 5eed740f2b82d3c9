//! Images: names, registries, layers.

pub(crate) mod content;
mod credentials;
mod ingest;
mod layout;
pub(crate) mod load;
mod manifest;
mod pull;
mod reference;
mod registry;
pub(crate) mod save;
pub(crate) mod store;

pub use credentials::Credentials;
pub use reference::Reference;

pub(crate) use ingest::ingest;
pub(crate) use manifest::ImageConfig;
pub(crate) use pull::{Puller, chain_ids, resolve};
pub(crate) use registry::Registry;
pub(crate) use store::id_of;
