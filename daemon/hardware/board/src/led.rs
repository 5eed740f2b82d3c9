//! The board's LED shows where it stands, by the kernel's own triggers: it blinks on without us.

use crate::files::Files;
use std::io;
use std::path::{Path, PathBuf};

/// The green LED under its newer and its older name, else the red one.
const NAMES: [&str; 4] = ["ACT", "led0", "PWR", "led1"];

/// What there is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// In no cluster and looking for none: a short flash every three seconds.
    Idle,
    /// Looks for its cluster: on and off, half a second each.
    Searching,
    /// A member: a heart beats.
    Member,
    /// A manager: steady light.
    Manager,
    /// Something is wrong: quick blinking.
    Trouble,
}

/// A trigger of the kernel's and what is written to its files.
type Pattern = (&'static str, &'static [(&'static str, &'static str)]);

impl Sign {
    fn pattern(self) -> Pattern {
        match self {
            Self::Idle => ("timer", &[("delay_on", "100"), ("delay_off", "2900")]),
            Self::Searching => ("timer", &[("delay_on", "500"), ("delay_off", "500")]),
            Self::Member => ("heartbeat", &[]),
            Self::Manager => ("default-on", &[]),
            Self::Trouble => ("timer", &[("delay_on", "100"), ("delay_off", "100")]),
        }
    }

    /// Where the kernel has not the trigger: light or no light.
    fn plain(self) -> &'static str {
        match self {
            Self::Member | Self::Manager => "1",
            Self::Idle | Self::Searching | Self::Trouble => "0",
        }
    }
}

/// An LED that shows signs until it is given back.
#[derive(Debug)]
pub struct Led {
    folder: PathBuf,
    /// Where it is noted what the LED showed before us; survives a daemon that is killed, not a reboot.
    note: PathBuf,
    shown: Option<Sign>,
}

impl Led {
    /// Takes the board's LED; none if it has none. `note`: a file that goes with a reboot.
    ///
    /// # Errors
    /// If what the LED shows can't be read or noted.
    pub fn take(files: &Files, note: &Path) -> io::Result<Option<Self>> {
        let folders = NAMES
            .iter()
            .map(|name| files.path(&format!("sys/class/leds/{name}")));
        let Some(folder) = folders.into_iter().find(|folder| folder.join("trigger").exists()) else {
            return Ok(None);
        };
        // Left by a daemon that could not give it back: what is shown now is its sign.
        if !note.exists() {
            let triggers = std::fs::read_to_string(folder.join("trigger"))?;
            let brightness = std::fs::read_to_string(folder.join("brightness")).unwrap_or_default();
            std::fs::write(note, format!("{}\n{}", chosen(&triggers), brightness.trim()))?;
        }
        Ok(Some(Self {
            folder,
            note: note.to_owned(),
            shown: None,
        }))
    }

    /// Shows a sign; writes only if it is another than before.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn show(&mut self, sign: Sign) -> io::Result<()> {
        if self.shown == Some(sign) {
            return Ok(());
        }
        let (trigger, settings) = sign.pattern();
        if self.write("trigger", trigger).is_ok() {
            for (file, value) in settings {
                self.write(file, value)?;
            }
        } else {
            self.write("trigger", "none")?;
            self.write("brightness", sign.plain())?;
        }
        self.shown = Some(sign);
        Ok(())
    }

    /// Lets the LED show again what it showed before.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn give_back(self) -> io::Result<()> {
        let before = std::fs::read_to_string(&self.note)?;
        let (trigger, brightness) = before.split_once('\n').unwrap_or((&before, ""));
        self.write("trigger", trigger)?;
        if trigger == "none" && !brightness.is_empty() {
            self.write("brightness", brightness)?;
        }
        std::fs::remove_file(&self.note)
    }

    fn write(&self, file: &str, value: &str) -> io::Result<()> {
        std::fs::write(self.folder.join(file), value)
    }
}

/// The trigger in brackets.
fn chosen(triggers: &str) -> &str {
    let found = triggers
        .split_whitespace()
        .find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    found.unwrap_or("none")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(name: &str) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let led = root.path().join("sys/class/leds").join(name);
        std::fs::create_dir_all(&led).unwrap();
        std::fs::write(
            led.join("trigger"),
            "none timer heartbeat default-on [mmc0] cpu\n",
        )
        .unwrap();
        std::fs::write(led.join("brightness"), "0\n").unwrap();
        (root, led)
    }

    #[test]
    fn signs_are_shown_and_the_led_is_given_back() {
        for name in ["ACT", "led0", "PWR"] {
            let (root, led) = tree(name);
            let read = |file: &str| std::fs::read_to_string(led.join(file)).unwrap();
            let note = root.path().join("note");
            let mut taken = Led::take(&Files::below(root.path()), &note).unwrap().unwrap();
            taken.show(Sign::Searching).unwrap();
            assert_eq!(
                (read("trigger"), read("delay_on")),
                ("timer".into(), "500".into())
            );
            taken.show(Sign::Member).unwrap();
            assert_eq!(read("trigger"), "heartbeat");
            // The daemon was killed; the next one still knows what the LED was for.
            drop(taken);
            let mut taken = Led::take(&Files::below(root.path()), &note).unwrap().unwrap();
            taken.show(Sign::Trouble).unwrap();
            taken.give_back().unwrap();
            assert_eq!(read("trigger"), "mmc0");
            assert!(!note.exists());
        }
    }

    #[test]
    fn the_same_sign_is_not_written_again() {
        let (root, led) = tree("ACT");
        let mut taken = Led::take(&Files::below(root.path()), &root.path().join("note"))
            .unwrap()
            .unwrap();
        taken.show(Sign::Manager).unwrap();
        std::fs::write(led.join("trigger"), "a person's").unwrap();
        taken.show(Sign::Manager).unwrap();
        assert_eq!(
            std::fs::read_to_string(led.join("trigger")).unwrap(),
            "a person's"
        );
    }

    #[test]
    fn a_board_without_an_led_has_none() {
        let root = tempfile::tempdir().unwrap();
        let none = Led::take(&Files::below(root.path()), &root.path().join("note")).unwrap();
        assert!(none.is_none());
    }
}
