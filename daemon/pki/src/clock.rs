//! The time to judge certificates by. Boards without a clock may wake up in 1970, so no time before this build's
//! own is ever believed, and certificates are valid from 1970 on.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;

/// When this binary was built. Real time is never earlier.
#[must_use]
pub fn build_time() -> Timestamp {
    let seconds = env!("BRAMBLE_BUILD_TIME").parse().unwrap_or(0);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The later of `now` and [`build_time`].
#[must_use]
pub fn believable(now: Timestamp) -> Timestamp {
    now.max(build_time())
}

/// Tells the time that certificates are judged by, never before [`build_time`].
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that asks `tell`, for simulations and for time learned from peers.
    #[must_use]
    pub fn new(tell: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The system's wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    /// The time now, or the build's if the clock shows an earlier one.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        believable((self.0)())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix(self.now()))
    }
}

/// The same moment as rustls writes it; times before 1970 become 1970.
pub(crate) fn unix(time: Timestamp) -> UnixTime {
    let seconds = u64::try_from(time.as_second()).unwrap_or(0);
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}
