//! `cargo lab`: the lab for people, and the project's commands for building and testing. One file a verb.

use std::process::ExitCode;

use clap::Parser;

mod arrows_table;
mod verbs;

/// A cluster of boards on this machine, and the project's own commands.
#[derive(Debug, Parser)]
#[command(
    name = "cargo lab",
    bin_name = "cargo lab",
    max_term_width = 110,
    after_help = "Examples:\n  \
        cargo lab demo                      from a fresh clone to three boards that run services\n  \
        cargo lab up --boards 5             five boards\n  \
        cargo lab sh board-1 -- ip addr     a command on a board\n  \
        cargo lab power-off board-2         pull its plug; `cargo lab start board-2` puts it back\n  \
        cargo lab down                      take everything away\n  \
        cargo lab test                      all that CI runs"
)]
struct Arguments {
    #[command(subcommand)]
    verb: verbs::Verb,
}

fn main() -> ExitCode {
    match Arguments::parse().verb.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_verb_shows_an_example() {
        let command = Arguments::command();
        command.clone().debug_assert();
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("cargo lab"), "{}", verb.get_name());
        }
    }
}
