//! `autoboot.txt`, which the Pi's firmware reads first: from which partition it starts, usually and for one try. Pure.
//!
//! Source: "autoboot.txt" in Raspberry Pi's documentation of `config.txt`. The firmware reads at most 512 bytes of it.

use crate::Slot;

/// One sector, which is all that the firmware reads.
pub const SECTOR: usize = 512;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autoboot {
    /// What starts, unless a try was asked for.
    pub usual: Slot,
    /// What is wrong with the file, if anything is.
    pub problem: Option<String>,
}

/// The file's text for a usual slot: always of the same length, so that changing it is overwriting it.
pub fn render(usual: Slot) -> String {
    format!(
        "[all]\ntryboot_a_b=1\nboot_partition={}\n[tryboot]\nboot_partition={}\n",
        usual.boot_partition(),
        usual.other().boot_partition()
    )
}

/// Reads the file. What can't be read is taken for A, as it was when the card was made, and the problem is said.
pub fn read(text: &[u8]) -> Autoboot {
    match parse(text) {
        Ok(usual) => Autoboot { usual, problem: None },
        Err((usual, problem)) => Autoboot {
            usual: usual.unwrap_or(Slot::A),
            problem: Some(format!("autoboot.txt: {problem}")),
        },
    }
}

/// The usual slot; or it, as far as it is known, and what is wrong.
fn parse(text: &[u8]) -> Result<Slot, (Option<Slot>, String)> {
    if text.len() > SECTOR {
        let problem = format!("{} bytes, and the firmware reads {SECTOR}", text.len());
        return Err((None, problem));
    }
    let text = std::str::from_utf8(text).map_err(|_| (None, "not a text".to_owned()))?;
    // What stands before any section counts for all.
    let (mut section, mut usual, mut tried, mut both) = ("all".to_owned(), None, None, false);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim().to_ascii_lowercase();
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        match (section.as_str(), key.trim(), value.trim()) {
            ("all", "boot_partition", number) => usual = Some(number),
            ("tryboot", "boot_partition", number) => tried = Some(number),
            ("all", "tryboot_a_b", value) => both = value == "1",
            _ => {}
        }
    }
    let slot = |number: Option<&str>| Slot::of_boot_partition(number?.parse().ok()?);
    let Some(found) = slot(usual) else {
        let said = usual.unwrap_or("nothing");
        return Err((
            None,
            format!("boot_partition is {said}, and slots begin at 2 (A) and 3 (B)"),
        ));
    };
    if slot(tried) != Some(found.other()) {
        let problem = format!(
            "[tryboot] does not name slot {}: it can't be tried",
            found.other()
        );
        return Err((Some(found), problem));
    }
    if !both {
        return Err((
            Some(found),
            "tryboot_a_b=1 is missing: no slot can be tried".to_owned(),
        ));
    }
    Ok(found)
}

/// The bytes that overwrite a file of this length, so that its length stays if it can: a file that is longer than need be
/// is filled up with empty lines. A shorter one must grow.
pub fn over(usual: Slot, length: u64) -> Vec<u8> {
    let mut text = render(usual).into_bytes();
    if let Ok(length) = usize::try_from(length)
        && (text.len()..=SECTOR).contains(&length)
    {
        text.resize(length, b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_what_the_image_promises() {
        let text = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";
        assert_eq!(render(Slot::A), text);
        for slot in [Slot::A, Slot::B] {
            let read = read(render(slot).as_bytes());
            assert_eq!((read.usual, read.problem), (slot, None));
            assert_eq!(render(slot).len(), render(slot.other()).len());
        }
    }

    #[test]
    fn what_a_person_wrote_is_understood() {
        let text = b"tryboot_a_b=1\r\nboot_partition = 3\r\n# spare\r\n[ TRYBOOT ]\r\nboot_partition=2\r\n[pi5]\r\nboot_partition=9";
        let read = read(text);
        assert_eq!((read.usual, read.problem), (Slot::B, None));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, usual, problem) in [
            (&b""[..], Slot::A, "nothing"),
            (b"\xff\xfe", Slot::A, "not a text"),
            (b"[all]\nboot_partition=7", Slot::A, "is 7"),
            (b"[all]\nboot_partition=3", Slot::B, "does not name slot A"),
            (
                b"[all]\nboot_partition=3\n[tryboot]\nboot_partition=3",
                Slot::B,
                "does not name slot A",
            ),
            (
                b"[all]\nboot_partition=3\n[tryboot]\nboot_partition=2",
                Slot::B,
                "tryboot_a_b",
            ),
            (&[b' '; 600], Slot::A, "600 bytes"),
        ] {
            let read = read(text);
            assert_eq!(read.usual, usual);
            let said = read.problem.unwrap_or_default();
            assert!(said.contains(problem), "{said}");
        }
    }

    proptest! {
        #[test]
        fn no_file_is_too_strange(text: Vec<u8>) {
            read(&text);
        }

        #[test]
        fn overwriting_keeps_the_length_where_it_can(length in 0u64..2000, b: bool) {
            let slot = if b { Slot::B } else { Slot::A };
            let text = over(slot, length);
            prop_assert!(text.len() <= SECTOR);
            if (64..=512).contains(&length) {
                prop_assert_eq!(text.len() as u64, length);
            }
            prop_assert_eq!(read(&text), Autoboot { usual: slot, problem: None });
        }
    }
}
