//! Who cleans up when the owner of a lab is killed: a process in a session of its own that waits for the owner's end of a
//! pipe to close, which the kernel does however the owner dies.

use std::{
    fs,
    io::{Read, Write},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::{
    cargo::lab_binary,
    claim, down,
    paths::{Name, labs},
};

/// What the owner says when nothing is left to do.
const DISMISSED: &[u8] = b"done";

/// The owner's end.
#[derive(Debug)]
pub(crate) struct Janitor(Child);

impl Janitor {
    /// Starts one for a lab.
    pub fn start(lab: &Name) -> Result<Self> {
        let dir = labs().join("logs");
        fs::create_dir_all(&dir)?;
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(dir.join("janitor.log"))?;
        let binary = lab_binary();
        ensure!(
            binary.is_file(),
            "there is no {}: `cargo build -p bramble-lab` makes it",
            binary.display()
        );
        let child = Command::new("setsid")
            .arg(&binary)
            .args(["janitor", "--name", &lab.to_string()])
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        Ok(Janitor(child))
    }

    /// Tells it that the lab is in good hands, or gone.
    pub fn dismiss(mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            // If it is not there any more, it need not be told.
            let _ = pipe.write_all(DISMISSED);
        }
        let _ = self.0.wait();
    }
}

/// The janitor's work: waits for the owner's end, and takes the lab away unless the owner has dismissed it.
///
/// # Errors
/// What could not be taken away.
pub fn watch_owner(lab: &Name) -> Result<()> {
    let mut said = Vec::new();
    // A pipe that cannot be read has no owner either.
    let _ = std::io::stdin().read_to_end(&mut said);
    if said != DISMISSED {
        eprintln!("the owner of the lab {lab} is gone");
        down::down(lab)?;
        claim::tidy(lab);
    }
    Ok(())
}
