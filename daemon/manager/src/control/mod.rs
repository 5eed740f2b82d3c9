//! What users ask of the cluster: each verb is a pure function from (view, request) to a transaction or a
//! [`Refusal`] in Swarm's words; [`crate::Manager`] commits it.

pub mod access;
pub(crate) mod authority;
pub mod cluster;
pub mod containers;
pub mod deposits;
pub mod names;
pub mod networks;
pub mod nodes;
mod refusal;
pub mod services;
mod settings;
pub mod validate;

pub use refusal::Refusal;

#[cfg(test)]
mod bent_specs;
