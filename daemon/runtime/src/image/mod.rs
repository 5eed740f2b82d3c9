//! Images: names, registries, layers.

pub(crate) mod content;
mod manifest;
mod pull;
mod reference;
mod registry;
mod store;

pub use reference::Reference;

pub(crate) use manifest::ImageConfig;
pub(crate) use pull::{Puller, chain_ids, resolve};
pub(crate) use registry::Registry;
pub(crate) use store::id_of;
