//! Mutual proof of the join key, bound to one TLS channel.
//!
//! Each side sends a MAC over the channel's exporter, which no two channels share: a machine in between holds two
//! channels and so can relay nothing. The sides' MACs differ, so neither can be sent back as the other.
//!
//! A member that answers a wrong proof with its own would hand out something to guess at: a member verifies the
//! joiner's proof first, and answers only a right one. Join keys should be long and random all the same; against
//! short ones, [`JoinKey::new`] makes each guess costly.

use std::num::NonZeroU32;

use ring::hmac;
use rustls::ConnectionCommon;

use crate::Error;

/// The exporter's label.
const LABEL: &[u8] = b"EXPORTER-bramble-join";
const SALT: &[u8] = b"bramble join key v1";
/// About a tenth of a second on a Raspberry Pi 3, once per start.
const ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).unwrap();

/// Which side a proof is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one who connects and wants in.
    Joiner,
    /// The one who answers.
    Member,
}

impl Side {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Joiner => b"bramble proof of joiner",
            Self::Member => b"bramble proof of member",
        }
    }
}

/// A join key, ready for proofs. It does not print.
#[derive(Clone)]
pub struct JoinKey(hmac::Key);

impl JoinKey {
    /// Stretches the text of a join key. Slow on purpose (a tenth of a second or more): do it once.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut key = [0; 32];
        ring::pbkdf2::derive(
            ring::pbkdf2::PBKDF2_HMAC_SHA256,
            ROUNDS,
            SALT,
            text.as_bytes(),
            &mut key,
        );
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    fn side(&self, side: Side) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&self.0, side.label()).as_ref())
    }
}

impl std::fmt::Debug for JoinKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JoinKey(…)")
    }
}

/// What binds a proof to a channel: keying material that only the two ends of this connection know.
///
/// # Errors
/// [`Error::Tls`] before the handshake is done.
pub fn exporter<Data>(connection: &ConnectionCommon<Data>) -> Result<[u8; 32], Error> {
    Ok(connection.export_keying_material([0; 32], LABEL, None)?)
}

/// Proves the join key on a channel, for a purpose: `context` names what is asked and for whom (such as the
/// joiner's certificate request), so that a proof for one is none for another.
#[must_use]
pub fn proof(key: &JoinKey, exporter: &[u8; 32], side: Side, context: &[u8]) -> [u8; 32] {
    let mut mac = [0; 32];
    mac.copy_from_slice(hmac::sign(&key.side(side), &message(exporter, context)).as_ref());
    mac
}

/// Whether `claimed` is the proof of that side, in constant time.
#[must_use]
pub fn verify(key: &JoinKey, exporter: &[u8; 32], side: Side, context: &[u8], claimed: &[u8]) -> bool {
    hmac::verify(&key.side(side), &message(exporter, context), claimed).is_ok()
}

/// The exporter has a fixed length, so the two parts can not be shifted into each other.
fn message(exporter: &[u8; 32], context: &[u8]) -> Vec<u8> {
    [exporter.as_slice(), context].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_counts_for_its_key_channel_side_and_context_only() {
        let (key, other) = (JoinKey::new("thorny"), JoinKey::new("thorn"));
        let mac = proof(&key, &[1; 32], Side::Joiner, b"join");
        assert!(verify(&key, &[1; 32], Side::Joiner, b"join", &mac));
        assert!(!verify(&other, &[1; 32], Side::Joiner, b"join", &mac));
        assert!(!verify(&key, &[2; 32], Side::Joiner, b"join", &mac));
        assert!(!verify(&key, &[1; 32], Side::Member, b"join", &mac));
        assert!(!verify(&key, &[1; 32], Side::Joiner, b"promise", &mac));
        assert!(!verify(&key, &[1; 32], Side::Joiner, b"join", &mac[..31]));
        assert!(!verify(&key, &[1; 32], Side::Joiner, b"join", b""));
    }
}
