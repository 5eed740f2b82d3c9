//! `config.txt`: which files of the boot partition are loaded.

use anyhow::{Result, ensure};

use super::filter::{Model, lines, value};

/// The files to load, by their names in the boot partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loads {
    /// The kernel.
    pub kernel: String,
    /// The initramfs, if there is to be one.
    pub initramfs: Option<String>,
    /// The file with the kernel's command line.
    pub cmdline: String,
    /// The device tree, if one is named; a board has its own otherwise.
    pub device_tree: Option<String>,
}

/// Reads `config.txt`.
pub fn loads(text: &str, model: Model, tryboot: bool) -> Loads {
    let mut kernel = "kernel8.img";
    let (mut initramfs, mut automatic) = (None, false);
    let (mut cmdline, mut device_tree, mut prefix) = ("cmdline.txt", None, "");
    for line in lines(text, model, tryboot) {
        // The one setting that is written without `=`.
        if let Some(rest) = line.strip_prefix("initramfs ") {
            initramfs = rest.split_whitespace().next();
        } else if let Some(given) = value(line, "kernel") {
            kernel = given;
        } else if let Some(given) = value(line, "auto_initramfs") {
            automatic = given == "1";
        } else if let Some(given) = value(line, "cmdline") {
            cmdline = given;
        } else if let Some(given) = value(line, "device_tree") {
            device_tree = Some(given);
        } else if let Some(given) = value(line, "os_prefix") {
            prefix = given;
        }
    }
    let named = |name: &str| format!("{prefix}{name}");
    let by_kernel = || {
        let stem = kernel.strip_suffix(".img").unwrap_or(kernel);
        named(&stem.replacen("kernel", "initramfs", 1))
    };
    Loads {
        kernel: named(kernel),
        initramfs: initramfs.map(named).or_else(|| automatic.then(by_kernel)),
        cmdline: named(cmdline),
        device_tree: device_tree.map(named),
    }
}

/// The command line as the firmware hands it on: the file's one line, with the board's serial port by its real name.
///
/// # Errors
/// When the file has more than one line: a Pi takes the first and leaves the rest, which nobody means.
pub fn command_line(text: &str, serial: &str) -> Result<String> {
    let line = text.trim();
    ensure!(
        !line.contains('\n'),
        "cmdline.txt has more than one line; the firmware reads the first"
    );
    Ok(line.replace("console=serial0", &format!("console={serial}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_those_that_are_named_for_this_board() {
        let text = "arm_64bit=1\nkernel=kernel8.img\ninitramfs initramfs8 followkernel\n[pi5]\nkernel=kernel_2712.img\n\
                    initramfs initramfs_2712 followkernel\n[all]\ncmdline=line.txt\n";
        let on = |model| loads(text, model, false);
        let four = on(Model::Pi4);
        assert_eq!(
            (four.kernel.as_str(), four.initramfs.as_deref()),
            ("kernel8.img", Some("initramfs8"))
        );
        assert_eq!(four.cmdline, "line.txt");
        let five = on(Model::Pi5);
        assert_eq!(
            (five.kernel.as_str(), five.initramfs.as_deref()),
            ("kernel_2712.img", Some("initramfs_2712"))
        );
    }

    #[test]
    fn an_initramfs_can_go_by_the_kernels_name_and_all_by_a_prefix() {
        let found = loads(
            "kernel=kernel_2712.img\nauto_initramfs=1\nos_prefix=a/\n",
            Model::Pi5,
            false,
        );
        assert_eq!(
            (
                found.kernel.as_str(),
                found.initramfs.as_deref(),
                found.cmdline.as_str()
            ),
            ("a/kernel_2712.img", Some("a/initramfs_2712"), "a/cmdline.txt")
        );
    }

    #[test]
    fn an_empty_file_means_the_usual_names() {
        let found = loads("", Model::Pi4, false);
        assert_eq!(
            (found.kernel.as_str(), found.initramfs, found.cmdline.as_str()),
            ("kernel8.img", None, "cmdline.txt")
        );
    }

    #[test]
    fn the_serial_port_gets_its_name() {
        let line = command_line("console=serial0,115200 console=tty1 quiet\n", "ttyAMA0").unwrap();
        assert_eq!(line, "console=ttyAMA0,115200 console=tty1 quiet");
        assert!(command_line("a\nb\n", "ttyAMA0").is_err());
    }
}
