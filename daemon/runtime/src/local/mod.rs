//! This board's containers and images, for who asks this very board: what `docker ps`, `exec`, `images` and their like do.
//!
//! Containers here are tasks': they are looked at, entered and ended here, but made and removed by the managers alone.

mod archive;
mod execs;
mod happenings;
mod images;
mod list;
mod logs;
mod refused;
mod root;
mod run;
mod signals;
mod stats;
mod top;

pub use images::Incoming;
pub use refused::Refused;
pub use run::Session;
pub use signals::Until;

pub(crate) use execs::Execs;

use crate::executor::Shared;
use std::sync::Arc;

/// This board's containers and images. Cheap to clone.
#[derive(Clone)]
pub struct Local {
    pub(crate) shared: Arc<Shared>,
}
