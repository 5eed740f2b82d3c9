//! Machines in QEMU that start from a real image of the card, for what namespaces can't show: the kernel, the boot, the slots, the
//! first start, power cuts.
//!
//! ```text
//! Site ── a LAN, and who cleans up
//!  └─ Machine ── power, cable, serial port, ssh
//!      ├─ Card ── an overlay over the image, whose unflushed writes a power cut takes
//!      └─ player ── a loop of boots: firmware (pure) chooses, QEMU runs, a restart begins again
//! ```

mod card;
mod console;
pub mod firmware;
mod lan;
#[expect(clippy::module_inception, reason = "the machine itself among its parts")]
mod machine;
mod player;
mod qemu;
mod site;
mod switch;

pub use card::{CARD_BYTES, Card, Fat, raw_image};
pub use console::last_line;
pub use machine::Machine;
pub use player::Ended;
pub use qemu::{Hardware, Kind};
pub use site::Site;
