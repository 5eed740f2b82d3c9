//! What a Raspberry Pi's own firmware decides before the kernel runs, as far as it is documented and this project relies on it:
//! <https://www.raspberrypi.com/documentation/computers/config_txt.html>, sections `autoboot.txt`, "Conditional filters" and "Boot options".
//!
//! ```text
//! power on, restart        autoboot.txt of the card's first partition, [all]       -> a boot partition
//! restart "0 tryboot"      the same file, [all] and then [tryboot]                 -> a boot partition, for this once
//! that partition's config.txt (without tryboot_a_b: tryboot.txt)                   -> kernel, initramfs, command line
//! ```
//! Nothing here reads a file or starts anything. It was written from the documentation and never compared with a board.

mod autoboot;
mod config;
mod filter;
mod mbr;

pub use autoboot::{Choice, choose};
pub use config::{Loads, command_line, loads};
pub use filter::Model;
pub use mbr::{Partition, TABLE_BYTES, partitions};
