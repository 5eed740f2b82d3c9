//! What one container wrote.

use super::{Local, Refused};
use exec::{LogStream, LogWish};
use model::LocalContainer;

impl Local {
    /// Lines of one container; the wish's tasks don't count.
    ///
    /// # Errors
    /// If its lines are not kept.
    pub fn logs(&self, container: &LocalContainer, wish: LogWish) -> Result<LogStream, Refused> {
        let driver = container
            .task
            .spec
            .log_driver
            .as_ref()
            .and_then(|driver| driver.name.as_deref());
        if driver == Some("none") {
            return Err(Refused::Unimplemented(
                "configured logging driver does not support reading".to_owned(),
            ));
        }
        let place = (
            container.task.id.clone(),
            container.id.clone(),
            container.folders.0.clone(),
        );
        let wish = LogWish {
            tasks: vec![container.task.id.clone()],
            ..wish
        };
        Ok(self.shared.logs.read(wish, vec![place]))
    }
}
