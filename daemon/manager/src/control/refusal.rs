//! Why a request is not carried out.

/// Why a request is not carried out, in Swarm's words where users know them. The kinds are gRPC's, which Docker's
/// engine prints and turns into HTTP codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such object (404).
    #[error("{0} not found")]
    NotFound(String),
    /// The request can't be right (400).
    #[error("rpc error: code = InvalidArgument desc = {0}")]
    Invalid(String),
    /// Something has the name already (409).
    #[error("rpc error: code = AlreadyExists desc = {0}")]
    Exists(String),
    /// Right, but not as things are (400).
    #[error("rpc error: code = FailedPrecondition desc = {0}")]
    Precondition(String),
    /// Made from a version that is not the newest (500, as Docker answers).
    #[error("rpc error: code = Unknown desc = update out of sequence")]
    OutOfSequence,
    /// Not built, or not on this board (501).
    #[error("rpc error: code = Unimplemented desc = {0}")]
    Unimplemented(String),
    /// Not now (503).
    #[error("{0}")]
    Unavailable(String),
    /// A fault of ours (500).
    #[error("{0}")]
    Internal(String),
}

impl Refusal {
    /// The request can't be right.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }

    /// Right, but not as things are.
    pub fn precondition(text: impl Into<String>) -> Self {
        Self::Precondition(text.into())
    }
}

impl From<state::Conflict> for Refusal {
    fn from(conflict: state::Conflict) -> Self {
        match conflict {
            state::Conflict::Stale(_) => Self::OutOfSequence,
            state::Conflict::Missing(key) => Self::NotFound(key.to_string()),
            conflict @ (state::Conflict::Exists(_) | state::Conflict::NameTaken(_)) => {
                Self::Exists(conflict.to_string())
            }
        }
    }
}
