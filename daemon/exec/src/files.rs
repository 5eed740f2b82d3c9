//! What tasks may read that is neither in their image nor on a volume.
//!
//! Managers send it only to boards that run a task that uses it, before that task; boards keep it in memory.

use bytes::Bytes;
use model::Hidden;

/// What stands behind a [`model::FileKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The payload.
    pub data: Hidden<Bytes>,
    /// True if templates in it are to be filled in for each task.
    pub template: bool,
}
