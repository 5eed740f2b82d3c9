//! The packet filters as texts: pure functions of the wanted state.
//!
//! A text replaces the whole table in one transaction and touches no other; [`change()`] gives what differs between two texts. The first line makes the table exist so
//! that the second can delete it, whether or not there was one. Connections outlive it: the kernel remembers their
//! translations.

mod board;
mod change;
mod task;
mod ways;

use std::fmt::{Display, Write};

pub use board::ruleset;
pub use change::change;
pub use task::{Inside, inside};
pub use ways::{MAIN, Route, Ways, Whose};

/// The text that removes the board's table, whether or not there is one.
pub const NONE: &str = "table inet bramble\ndelete table inet bramble\n";

/// The mark of segments that prompt somebody to speak; see `kernel::sessions`.
pub const PROMPT: u32 = 0x6272_6d62;

/// The chain that keeps such segments from being taken for a connection's own.
fn prompting() -> String {
    format!(
        "\tchain prompting {{\n\t\ttype filter hook output priority raw; policy accept;\n\t\tmeta mark {PROMPT:#x} notrack\n\t}}\n"
    )
}

/// A set or map with its elements; an empty list of elements is an error to nft.
fn collection<E: Display>(
    text: &mut String,
    kind: &str,
    name: &str,
    of: &str,
    elements: impl IntoIterator<Item = E>,
) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\t{kind} {name} {{\n\t\ttype {of}");
    let mut elements = elements.into_iter().peekable();
    if elements.peek().is_some() {
        text.push_str("\t\telements = {\n");
        for element in elements {
            let _ = writeln!(text, "\t\t\t{element},");
        }
        text.push_str("\t\t}\n");
    }
    text.push_str("\t}\n");
}

/// What hands connections to these one after the other: true round robin.
fn in_turn<E: Display>(to: &[E]) -> String {
    let turns: Vec<String> = to
        .iter()
        .enumerate()
        .map(|(n, to)| format!("{n} : {to}"))
        .collect();
    format!("numgen inc mod {} map {{ {} }}", to.len(), turns.join(", "))
}

#[cfg(test)]
mod tests;
