//! What every object has: its version and its times.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// An object's version: the store's index at its last change. An update names the version it was made
/// from; if the object has moved on since, it is refused ("update out of sequence").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Version {
    /// The index of the store's transaction that wrote the object last. Zero is absent, as in Docker's JSON.
    #[serde(skip_serializing_if = "is_zero")]
    pub index: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so.
fn is_zero(index: &u64) -> bool {
    *index == 0
}

/// Version and times, flattened into each object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Meta {
    /// The object's version; written by `state` when a transaction is applied.
    pub version: Version,
    /// When the object was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Meta {
    /// The meta of an object made at `now`, before its first transaction.
    pub fn new(now: Timestamp) -> Self {
        Self {
            version: Version::default(),
            created_at: now,
            updated_at: now,
        }
    }
}

impl Default for Meta {
    fn default() -> Self {
        Self::new(Timestamp::UNIX_EPOCH)
    }
}
