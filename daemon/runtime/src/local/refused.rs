//! Why something is not done.

use exec::Error;
use tonic::{Code, Status};

/// Why something is not done, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It can't be as asked.
    #[error("{0}")]
    Invalid(String),
    /// It can't be as things are.
    #[error("{0}")]
    Conflict(String),
    /// It may not be.
    #[error("{0}")]
    Forbidden(String),
    /// It is not built.
    #[error("{0}")]
    Unimplemented(String),
    /// It went wrong.
    #[error("{0}")]
    Failed(String),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(text) => Self::NotFound(text),
            error => Self::Failed(error.to_string()),
        }
    }
}

/// containerd's word on a process that is not there (any more).
pub(crate) fn not_running(id: &str) -> impl Fn(Status) -> Refused + '_ {
    move |status| match status.code() {
        Code::NotFound | Code::FailedPrecondition => {
            Refused::Conflict(format!("container {id} is not running"))
        }
        _ => Refused::Failed(status.message().to_owned()),
    }
}

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound => Self::NotFound(error.to_string()),
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::Forbidden(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}
