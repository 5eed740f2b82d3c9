//! Starting the board again: at its usual slot, or at the other one for a try.
//!
//! A try needs the firmware to be told. Kernels made by Raspberry Pi do that: their firmware driver looks at the argument of
//! reboot(2), finds `tryboot` in it and passes that on (they can be told from others by `/dev/vcio`). The kernel of kernel.org,
//! and so Debian's, has no such thing; there a virtual machine's firmware is told by a port.

use crate::{Error, Paths};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;

/// The argument of reboot(2): no partition in particular, and the flag for one try.
const TRYBOOT: &str = "0 tryboot";

/// Who tells the firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// The kernel, by the argument of its restart.
    Pi,
    /// We, by a virtual machine's port.
    Port,
}

/// How this board's firmware is told.
///
/// # Errors
/// In words, if its kernel can't tell it.
pub fn firmware(paths: &Paths) -> Result<Firmware, Error> {
    if paths.firmware_port().exists() {
        return Ok(Firmware::Port);
    }
    if paths.mailbox().exists() {
        return Ok(Firmware::Pi);
    }
    let kernel = std::fs::read_to_string(paths.kernel()).unwrap_or_default();
    Err(Error::Refused(format!(
        "this board's kernel ({}) can't ask the Pi's firmware to try another slot: only kernels made by Raspberry Pi can. Flash \
         the card anew with an image that has one (image/README.md)",
        kernel.trim()
    )))
}

/// Starts the board at the other slot, once. Returns when the restart has begun.
///
/// # Errors
/// If the firmware can't be told or the restart does not begin.
pub fn into_trial(paths: &Paths) -> Result<(), Error> {
    if firmware(paths)? == Firmware::Port {
        let path = paths.firmware_port();
        // A port that nobody listens at would hold us up for ever.
        OpenOptions::new()
            .write(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(&path)
            .and_then(|mut port| port.write_all(b"tryboot\n"))
            .map_err(Error::file("writing", path))?;
    }
    restart(paths, Some(TRYBOOT))
}

/// Starts the board at its usual slot.
///
/// # Errors
/// If the restart does not begin.
pub fn as_usual(paths: &Paths) -> Result<(), Error> {
    restart(paths, None)
}

fn restart(paths: &Paths, argument: Option<&str>) -> Result<(), Error> {
    let program = paths.systemctl();
    let mut command = Command::new(&program);
    command.arg("reboot");
    if let Some(argument) = argument {
        command.arg(format!("--reboot-argument={argument}"));
    }
    let ended = command.output().map_err(Error::file("running", &program))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
    Err(Error::Program(format!(
        "{} reboot: {said} ({})",
        program.display(),
        ended.status
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_can_t_tell_the_firmware_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        std::fs::create_dir_all(paths.kernel().parent().unwrap()).unwrap();
        std::fs::write(paths.kernel(), "6.12.107+deb13-arm64\n").unwrap();
        let error = into_trial(&paths).unwrap_err().to_string();
        assert!(
            error.contains("6.12.107+deb13-arm64") && error.contains("Flash"),
            "{error}"
        );
    }

    #[test]
    fn a_virtual_machine_s_port_is_written_before_the_restart() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        std::fs::create_dir_all(paths.firmware_port().parent().unwrap()).unwrap();
        std::fs::write(paths.firmware_port(), "").unwrap();
        let script = "cd \"$(dirname \"$0\")\" && { echo \"$@\"; cat ../../dev/virtio-ports/*; } > said";
        crate::testing::script(&paths.systemctl(), script);
        into_trial(&paths).unwrap();
        let said = std::fs::read_to_string(paths.systemctl().with_file_name("said")).unwrap();
        assert_eq!(said, "reboot --reboot-argument=0 tryboot\ntryboot\n");
        as_usual(&paths).unwrap();
        let said = std::fs::read_to_string(paths.systemctl().with_file_name("said")).unwrap();
        assert!(said.starts_with("reboot\n"), "{said}");
    }
}
