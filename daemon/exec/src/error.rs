//! What can go wrong while a task is being run.

/// An effect that failed. The task machine asks two things of it: is it worth trying again, and what code did
/// the container end with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// May pass: the step is tried again after a pause, the state stays (registry out of reach, containerd
    /// restarting).
    #[error("{0}")]
    Temporary(String),
    /// Will not pass: the task is rejected (before it started) or failed.
    #[error("{0}")]
    Fatal(String),
    /// There is no such container: success where something is removed, failure elsewhere.
    #[error("no such container: {0}")]
    NotFound(String),
    /// The container ran and ended with a code other than 0.
    #[error("task: non-zero exit ({code}){}", reason.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Exit {
        /// The code; 128 + signal for one that was killed.
        code: i64,
        /// More, such as "out of memory" or "unhealthy container".
        reason: Option<String>,
    },
    /// The work was called off because the agent stops or wants something else.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// True if trying again may help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary(_))
    }
}
