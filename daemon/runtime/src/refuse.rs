//! What a task may ask for that can't be done here: said in words, never left out in silence.

use exec::Error;
use model::Task;

/// Checks a task before anything is made for it.
///
/// # Errors
/// [`Error::Fatal`] with what can't be done.
pub(crate) fn check(task: &Task) -> Result<(), Error> {
    let refuse = |what: &str| Err(Error::Fatal(format!("{what} can't be done on this board yet")));
    let Some(container) = &task.spec.container_spec else {
        return refuse("a task without a container");
    };
    let privileges = container.privileges.clone().unwrap_or_default();
    if privileges.credential_spec.is_some() {
        return refuse("a credential spec (of Windows)");
    }
    // Boards have no SELinux, so without labels is how everything runs.
    if privileges
        .selinux_context
        .is_some_and(|selinux| selinux.disable != Some(true))
    {
        return refuse("an SELinux context");
    }
    crate::spec::resolvers(container)?;
    crate::logs::Room::of(task.spec.log_driver.as_ref()).map_err(Error::Fatal)?;
    Ok(())
}
