//! Identifiers: 25 characters of base 36, as Swarm writes them (128 bits of chance).

use serde::{Deserialize, Serialize};

/// Length of every identifier, in characters.
pub const ID_LENGTH: usize = 25;

/// Makes an identifier from 128 bits of chance, padded to [`ID_LENGTH`] characters of base 36.
pub fn base36(mut bits: u128) -> String {
    let mut digits = [b'0'; ID_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdefghijklmnopqrstuvwxyz"[(bits % 36) as usize];
        bits /= 36;
    }
    digits.iter().map(|&digit| char::from(digit)).collect()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new identifier from the given source of chance.
            pub fn generate(rng: &mut (impl rand::Rng + ?Sized)) -> Self {
                use rand::RngExt as _;
                Self(base36(rng.random()))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// True for the identifier of nothing (a task that is not placed yet has such a node id).
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.pad(&self.0)
            }
        }
    };
}

id!(
    /// A board's place in the cluster; the common name of its certificate.
    NodeId
);
id!(
    /// A service.
    ServiceId
);
id!(
    /// A task: one attempt at running one slot of a service.
    TaskId
);
id!(
    /// A network.
    NetworkId
);
id!(
    /// A secret.
    SecretId
);
id!(
    /// A config.
    ConfigId
);
id!(
    /// The cluster; the organization of every certificate in it.
    ClusterId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base36_is_padded_and_holds_128_bits() {
        assert_eq!(base36(0), "0".repeat(25));
        assert_eq!(base36(35), format!("{}z", "0".repeat(24)));
        assert_eq!(base36(u128::MAX).len(), ID_LENGTH);
        assert_ne!(base36(u128::MAX), base36(u128::MAX - 1));
    }
}
