//! Ears and voice on the LAN: boards announce `_bramble._tcp` over mDNS and hear of each other.
//!
//! What is heard is a [`Sighting`]: a hint where to look, never a reason to trust. [`founding`] decides, from
//! sightings alone, whether a board joins, waits or founds; it is pure.

mod card;
pub mod founding;
mod voice;

pub use card::{Card, Role};
pub use voice::{Discovery, DiscoveryError, Sighting};
