//! Time: the lab's only clock and its only pause.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

const TICK: Duration = Duration::from_millis(50);

/// A moment to count from.
#[derive(Debug, Clone, Copy)]
pub struct Since(Instant);

impl Since {
    /// Starts counting.
    #[expect(
        clippy::disallowed_methods,
        reason = "the lab has no runtime whose clock a test could pause"
    )]
    pub fn now() -> Self {
        Since(Instant::now())
    }

    /// How long ago that was.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// The same in seconds, for people.
    pub fn seconds(self) -> f64 {
        self.elapsed().as_secs_f64()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the lab has threads and processes, and no runtime to block"
)]
pub(crate) fn pause() {
    std::thread::sleep(TICK);
}

/// Asks until the answer is there. An error from `ask` is not the end, as boards come and go: the last one is shown when the
/// time is up.
///
/// # Errors
/// When there is no answer after `deadline`; the error names `what` and the last error.
pub fn wait_for<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let since = Since::now();
    loop {
        let last = match ask() {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if since.elapsed() >= deadline {
            let mut text = format!("{what}: not within {} s", deadline.as_secs_f32());
            if let Some(error) = last {
                // Writing to a string cannot fail.
                let _ = write!(text, "; last seen: {error:#}");
            }
            bail!(text);
        }
        pause();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_on_the_way_is_forgiven_and_one_at_the_end_is_told() {
        let mut asked = 0;
        let answer = wait_for("third time", Duration::from_secs(5), || {
            asked += 1;
            if asked < 3 {
                bail!("not yet")
            }
            Ok(Some(asked))
        });
        assert_eq!(answer.unwrap(), 3);
        let error = wait_for::<()>("never", Duration::ZERO, || bail!("no wish")).unwrap_err();
        assert_eq!(error.to_string(), "never: not within 0 s; last seen: no wish");
    }
}
