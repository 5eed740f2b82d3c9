//! Swarm's join tokens: `SWMTKN-1-<digest of the root, 50 base36 digits>-<secret, 25 base36 digits>`.
//!
//! The digest lets a joiner know the right cluster before it trusts anyone; the secret lets the cluster know the
//! joiner, and says whether it comes as worker or manager (there is a token for each).

use std::fmt;
use std::str::FromStr;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::Error;
use crate::secret::{random, same};

const PREFIX: &str = "SWMTKN-1-";
const DIGEST_DIGITS: usize = 50;
const SECRET_DIGITS: usize = 25;

/// SHA-256 of a root certificate in DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a root certificate.
    #[must_use]
    pub fn of(root: &CertificateDer<'_>) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, root).as_ref());
        Self(bytes)
    }

    /// The digest of a root certificate in PEM.
    ///
    /// # Errors
    /// [`Error::Unusable`] if the text holds no certificate.
    pub fn of_pem(root_pem: &str) -> Result<Self, Error> {
        let root = CertificateDer::from_pem_slice(root_pem.as_bytes())
            .map_err(|why| Error::unusable("the root certificate", why))?;
        Ok(Self::of(&root))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A join token. `Debug` does not show the secret.
#[derive(Clone, Copy)]
pub struct Token {
    digest: Digest,
    secret: [u8; 16],
}

impl Token {
    /// A token with a new secret for the cluster with this root.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate(root: Digest) -> Result<Self, Error> {
        Ok(Self {
            digest: root,
            secret: random()?,
        })
    }

    /// The digest of the root that the cluster must show.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether the token is for the cluster with this root (in PEM).
    #[must_use]
    pub fn is_for(&self, root_pem: &str) -> bool {
        Digest::of_pem(root_pem).is_ok_and(|digest| digest == self.digest)
    }

    /// Whether two tokens are the same, in constant time.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        same(&self.digest.0, &other.digest.0) & same(&self.secret, &other.secret)
    }

    /// The token as a user types it.
    #[must_use]
    pub fn reveal(&self) -> String {
        let digest = encode(&self.digest.0, DIGEST_DIGITS);
        format!("{PREFIX}{digest}-{}", encode(&self.secret, SECRET_DIGITS))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (digest, secret) = text
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('-'))
            .ok_or(Error::Token)?;
        let digest = decode(digest, DIGEST_DIGITS).ok_or(Error::Token)?;
        let secret = decode(secret, SECRET_DIGITS).ok_or(Error::Token)?;
        Ok(Self {
            digest: Digest(digest),
            secret,
        })
    }
}

/// A big-endian number in base 36, `digits` long with leading zeros. `digits` must be enough for the bytes.
fn encode(bytes: &[u8], digits: usize) -> String {
    let mut number = bytes.to_vec();
    let mut text: Vec<char> = (0..digits)
        .map(|_| {
            let rest = number.iter_mut().fold(0_u32, |carry, byte| {
                let value = carry << 8 | u32::from(*byte);
                *byte = u8::try_from(value / 36).unwrap_or(u8::MAX); // at most (35·256 + 255) / 36 = 255
                value % 36
            });
            char::from_digit(rest, 36).unwrap_or('0') // a rest of 36 is a digit
        })
        .collect();
    text.reverse();
    text.into_iter().collect()
}

/// The number of exactly `digits` lower-case base36 digits; none if it is malformed or too great for `N` bytes.
fn decode<const N: usize>(text: &str, digits: usize) -> Option<[u8; N]> {
    if text.len() != digits {
        return None;
    }
    let mut number = [0_u8; N];
    for letter in text.chars() {
        if letter.is_ascii_uppercase() {
            return None;
        }
        let mut carry = letter.to_digit(36)?;
        for byte in number.iter_mut().rev() {
            let value = u32::from(*byte) * 36 + carry;
            *byte = value.to_le_bytes()[0];
            carry = value >> 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_token_is_read_back(digest: [u8; 32], secret: [u8; 16]) {
            let token = Token { digest: Digest(digest), secret };
            let text = token.reveal();
            prop_assert_eq!(text.len(), 9 + 50 + 1 + 25);
            let read: Token = text.parse().unwrap();
            prop_assert!(read.same(&token));
            prop_assert_eq!(read.digest(), token.digest());
        }

        #[test]
        fn no_text_panics_and_what_parses_is_canonical(text in "(SWMTKN-1-)?[0-9a-zA-Z-]{0,90}") {
            if let Ok(token) = text.parse::<Token>() {
                prop_assert_eq!(token.reveal(), text);
            }
        }

        #[test]
        fn other_secrets_differ(digest: [u8; 32], a: [u8; 16], b: [u8; 16]) {
            let token = |secret| Token { digest: Digest(digest), secret };
            prop_assert_eq!(token(a).same(&token(b)), a == b);
        }
    }

    #[test]
    fn numbers_too_great_are_refused() {
        let text = format!("SWMTKN-1-{}-{}", "z".repeat(50), "z".repeat(25));
        assert!(text.parse::<Token>().is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = Token::generate(Digest([7; 32])).unwrap();
        let revealed = token.reveal();
        let secret = revealed.rsplit('-').next().unwrap();
        assert!(!format!("{token:?}").contains(secret));
    }
}
