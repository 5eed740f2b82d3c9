//! What can go wrong in this room.

use std::path::PathBuf;

/// Why something about identity could not be done. None of these is temporary, except [`Error::File`] perhaps.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
    /// A certificate, key or request is not what it should be: the sender's fault, or a damaged file.
    #[error("{what} is not usable: {why}")]
    Unusable {
        /// Which thing: "the certificate request", "the node's key".
        what: &'static str,
        /// What the parser or signer said.
        why: String,
    },
    /// The text is not a join token.
    #[error("invalid join token")]
    Token,
    /// The text is not an unlock key.
    #[error("invalid unlock key")]
    UnlockKey,
    /// A file is sealed, and the lock that opens it is not there.
    #[error("locked: the unlock key is needed")]
    Locked,
    /// Sealed data was changed, cut, sealed by another key or for another place.
    #[error("sealed data does not open: damaged, or sealed with another key")]
    Sealed,
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// TLS refused the settings.
    #[error("TLS settings: {0}")]
    Tls(#[from] rustls::Error),
}

impl Error {
    /// `what` cannot be used, because of `why`.
    pub(crate) fn unusable(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Unusable {
            what,
            why: why.to_string(),
        }
    }
}
