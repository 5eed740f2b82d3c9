//! What labs need before there is one.

use std::{
    fs,
    sync::{Mutex, PoisonError},
};

use anyhow::Result;

use crate::{cargo, images, paths::labs, setup};

/// Installs, builds and makes what labs need: once in a process, and one process at a time.
pub(crate) fn provide() -> Result<()> {
    static DONE: Mutex<bool> = Mutex::new(false);
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !*done {
        fs::create_dir_all(labs())?;
        let lock = fs::File::create(labs().join("lock"))?;
        lock.lock()?;
        setup::setup(|_| ())?;
        cargo::build_quietly()?;
        images::make()?;
        *done = true;
    }
    Ok(())
}
