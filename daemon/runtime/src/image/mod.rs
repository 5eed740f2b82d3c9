//! Images: names, registries, layers.

mod content;
mod manifest;
mod pull;
mod reference;
mod registry;

pub use reference::Reference;

pub(crate) use manifest::ImageConfig;
pub(crate) use pull::{Puller, resolve};
pub(crate) use registry::Registry;
