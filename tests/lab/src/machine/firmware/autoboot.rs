//! `autoboot.txt`: which partition a boot is from.

use anyhow::{Context, Result, bail, ensure};

use super::{
    filter::{Model, lines, value},
    mbr::Partition,
};

/// The firmware reads one sector of the file and no more.
const LONGEST: usize = 512;

/// What was chosen for a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The boot partition's number, which the kernel is told as `/chosen/bootloader/partition`.
    pub partition: u32,
    /// Whether this is a try, which the kernel is told as `/chosen/bootloader/tryboot`.
    pub tryboot: bool,
    /// Whether a try differs by its partition. If not, it differs by its `tryboot.txt` in place of `config.txt`.
    pub by_partition: bool,
}

impl Choice {
    /// The name of the file that says what to load.
    pub fn settings(self) -> &'static str {
        if self.tryboot && !self.by_partition {
            "tryboot.txt"
        } else {
            "config.txt"
        }
    }
}

/// Chooses by the text of `autoboot.txt`, if the first FAT partition has one, and by whether a try was asked for.
///
/// # Errors
/// When the file is longer than the firmware reads, or the partition that it names isn't a FAT: a Pi would not start.
pub fn choose(
    partitions: &[Partition],
    autoboot: Option<&str>,
    model: Model,
    tryboot: bool,
) -> Result<Choice> {
    let text = autoboot.unwrap_or_default();
    ensure!(
        text.len() <= LONGEST,
        "autoboot.txt has {} bytes: the firmware reads {LONGEST}",
        text.len()
    );
    let mut number = 0;
    let mut by_partition = false;
    for line in lines(text, model, tryboot) {
        if let Some(given) = value(line, "boot_partition") {
            number = given
                .parse()
                .with_context(|| format!("autoboot.txt: boot_partition={given}"))?;
        } else if let Some(given) = value(line, "tryboot_a_b") {
            by_partition = given == "1";
        }
    }
    let mut fats = partitions.iter().filter(|one| one.is_fat());
    let chosen = match number {
        // Partition 0 is the first that can be read.
        0 => fats.next().context("the card has no FAT partition")?,
        number => match fats.find(|one| one.number == number) {
            Some(one) => one,
            None => {
                bail!("autoboot.txt says boot_partition={number}, and the card has no such FAT partition")
            }
        },
    };
    Ok(Choice {
        partition: chosen.number,
        tryboot,
        by_partition,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OURS: &str = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";

    fn card() -> Vec<Partition> {
        let partition = |number, kind| Partition {
            number,
            kind,
            start: u64::from(number) << 30,
            length: 1 << 20,
        };
        vec![
            partition(1, 0x0c),
            partition(2, 0x0c),
            partition(3, 0x0c),
            partition(4, 0x05),
            partition(5, 0x83),
        ]
    }

    fn chosen(text: Option<&str>, tryboot: bool) -> Result<Choice> {
        choose(&card(), text, Model::Pi4, tryboot)
    }

    #[test]
    fn a_try_takes_the_other_partition_and_a_usual_start_its_own() {
        let usual = chosen(Some(OURS), false).unwrap();
        assert_eq!(
            (usual.partition, usual.tryboot, usual.settings()),
            (2, false, "config.txt")
        );
        let tried = chosen(Some(OURS), true).unwrap();
        assert_eq!(
            (tried.partition, tried.tryboot, tried.settings()),
            (3, true, "config.txt")
        );
    }

    #[test]
    fn without_the_file_the_first_fat_partition_starts_and_a_try_has_settings_of_its_own() {
        assert_eq!(chosen(None, false).unwrap().partition, 1);
        assert_eq!(chosen(None, true).unwrap().settings(), "tryboot.txt");
    }

    #[test]
    fn what_a_pi_could_not_start_is_an_error() {
        assert!(chosen(Some("boot_partition=5"), false).is_err());
        assert!(chosen(Some("boot_partition=two"), false).is_err());
        assert!(chosen(Some(&"#\n".repeat(257)), false).is_err());
    }

    proptest! {
        /// A usual start never looks at what is said for a try, and whatever is chosen can be read.
        #[test]
        fn a_usual_start_does_not_know_of_tries(text in "([a-z_]{0,6}=[0-4]\n){0,3}", tried in "([a-z_]{0,6}=[0-4]\n|boot_partition=[0-9]\n){0,5}") {
            let both = format!("{text}[tryboot]\n{tried}");
            let (with, without) = (chosen(Some(&both), false), chosen(Some(&text), false));
            prop_assert_eq!(with.as_ref().ok(), without.as_ref().ok());
            if let Ok(choice) = chosen(Some(&both), true) {
                prop_assert!(card().iter().any(|one| one.number == choice.partition && one.is_fat()));
            }
        }
    }
}
