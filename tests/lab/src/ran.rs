//! Commands that ran, and what they said.

use std::{
    borrow::Cow,
    ffi::OsStr,
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// A command that ended. Made to be asked for success or failure in one word, with an error that shows everything.
#[derive(Debug, Clone)]
#[must_use = "call ok() or fails(), or look at the code"]
pub struct Ran {
    /// The command as one would type it.
    pub command: String,
    /// The exit code; `None` if it was ended by a signal or could not be started.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error, or why it could not be started.
    pub stderr: String,
}

impl Ran {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output without white space at its end.
    ///
    /// # Errors
    /// When the command failed: with the command, exit code and both outputs.
    pub fn ok(self) -> Result<String> {
        if !self.success() {
            bail!("{}", self.report());
        }
        Ok(self.stdout.trim_end().to_owned())
    }

    /// Standard error without white space at its end, of a command that must fail.
    ///
    /// # Errors
    /// When the command succeeded.
    pub fn fails(self) -> Result<String> {
        if self.success() {
            bail!("should have failed: {}", self.report());
        }
        Ok(self.stderr.trim_end().to_owned())
    }

    fn report(&self) -> String {
        let code = self
            .code
            .map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
        let mut text = format!("`{}`: {code}", self.command);
        for (name, said) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !said.trim().is_empty() {
                text.push_str(&format!(
                    "\n  {name}: {}",
                    said.trim_end().replace('\n', "\n          ")
                ));
            }
        }
        text
    }
}

/// Runs a command to its end, with nothing on its standard input.
pub fn run(command: &mut Command) -> Ran {
    run_with(command, Stdio::null())
}

/// Runs a command to its end.
pub(crate) fn run_with(command: &mut Command, input: Stdio) -> Ran {
    command.stdin(input);
    let shown = typed(command);
    match command.output() {
        Ok(output) => Ran {
            command: shown,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        },
        Err(error) => Ran {
            command: shown,
            code: None,
            stdout: String::new(),
            stderr: format!("cannot be started: {error}"),
        },
    }
}

/// Runs a program with `input` on its standard input and gives its standard output.
pub(crate) fn feed(program: &str, args: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    // The programs fed here read everything before they write, so the pipes cannot block one another.
    child
        .stdin
        .take()
        .context("no standard input")?
        .write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let ran = Ran {
        command: format!("{program} {}", args.join(" ")),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: format!("{}(input was: {input})", String::from_utf8_lossy(&output.stderr)),
    };
    ran.ok()
}

/// Runs a program whose output is not wanted.
pub(crate) fn call<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Result<String> {
    run(Command::new(program).args(args)).ok()
}

/// A command as one would type it.
pub(crate) fn typed(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    quoted(words.map(OsStr::to_string_lossy))
}

/// Words as one would type them.
pub(crate) fn typed_words(words: &[&str]) -> String {
    quoted(words.iter().map(|word| Cow::Borrowed(*word)))
}

fn quoted<'a>(words: impl Iterator<Item = Cow<'a, str>>) -> String {
    let quoted = words.map(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_command_code_and_both_outputs() {
        let ran = run(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]));
        let error = ran.ok().unwrap_err().to_string();
        for part in ["sh -c 'echo out", "exit code 3", "stdout: out", "stderr: err"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_success_where_failure_is_wanted_is_an_error() {
        assert!(run(&mut Command::new("true")).fails().is_err());
        assert_eq!(
            run(Command::new("sh").args(["-c", "echo no >&2; false"]))
                .fails()
                .unwrap(),
            "no"
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program"))
            .ok()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no-such-program") && error.contains("cannot be started"),
            "{error}"
        );
    }
}
