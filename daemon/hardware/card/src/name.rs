//! A board's own name from a pattern that is the same on many cards.

/// What stands for the board's number in a pattern.
pub(crate) const SERIAL: &str = "{serial}";
/// How many of a serial number's digits tell boards apart on one switch.
const DIGITS: usize = 6;
/// Of a board whose card names none.
const USUAL: &str = "bramble-{serial}";

/// The host name that a pattern gives on the board whose serial number ends in `short`; without a pattern, the usual one.
pub fn host_name(pattern: Option<&str>, short: &str) -> String {
    pattern.unwrap_or(USUAL).replace(SERIAL, short)
}

/// The last six hex digits of the first of these texts that has so many: the board's serial number, its network card's
/// address, the machine's id. All zeros is a serial number that was never set.
pub fn short_serial<'a>(sources: impl IntoIterator<Item = &'a str>) -> String {
    let digits = |text: &str| {
        let all: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
        let short: String = all[all.len().checked_sub(DIGITS)?..].iter().collect();
        all.iter()
            .any(|digit| *digit != '0')
            .then(|| short.to_ascii_lowercase())
    };
    sources
        .into_iter()
        .find_map(digits)
        .unwrap_or_else(|| "0".repeat(DIGITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_of_one_pattern_have_different_names() {
        let short = short_serial(["100000003d1d1c36\0"]);
        assert_eq!(host_name(Some("shop-{serial}"), &short), "shop-1d1c36");
        assert_eq!(host_name(None, &short), "bramble-1d1c36");
        assert_eq!(host_name(Some("kitchen"), &short), "kitchen");
    }

    #[test]
    fn a_board_without_a_serial_number_takes_what_comes_next() {
        assert_eq!(
            short_serial(["", "0000000000000000", "DC:A6:32:01:02:0F"]),
            "01020f"
        );
        assert_eq!(short_serial([]), "000000");
    }
}
