//! The sections of `autoboot.txt` and `config.txt`: which lines of them count on this board, in this boot.

/// Which board the firmware believes to be: what `[pi4]` and its like are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Raspberry Pi 3.
    Pi3,
    /// Raspberry Pi 4.
    Pi4,
    /// Raspberry Pi 5.
    Pi5,
    /// Raspberry Pi Zero 2 W.
    Zero2,
}

impl Model {
    /// The sections that speak of it.
    fn sections(self) -> &'static [&'static str] {
        match self {
            Model::Pi3 => &["pi3"],
            Model::Pi4 => &["pi4"],
            Model::Pi5 => &["pi5"],
            // A Zero 2 W counts as a Zero as well.
            Model::Zero2 => &["pi02", "pi0"],
        }
    }
}

/// The lines of a file that count, without sections, comments and white space around them.
///
/// Filters of one kind replace one another and those of different kinds add up; `[all]` ends them all. What asks for things that
/// this firmware doesn't know (serial numbers, GPIO pins, monitors) never applies.
pub fn lines(text: &str, model: Model, tryboot: bool) -> impl Iterator<Item = &str> {
    let (mut of_model, mut of_try, mut other) = (true, true, true);
    text.lines().map(str::trim).filter(move |line| {
        if line.is_empty() || line.starts_with('#') {
            return false;
        }
        let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
            return of_model && of_try && other;
        };
        match section {
            "all" => (of_model, of_try, other) = (true, true, true),
            "tryboot" => of_try = tryboot,
            model_or_none if model_or_none == "none" || is_model(model_or_none) => {
                of_model = model.sections().contains(&model_or_none);
            }
            _ => other = false,
        }
        false
    })
}

/// Whether a section is about models: `pi4`, `pi3+`, `pi02`, `cm4`, `cm4s`.
fn is_model(section: &str) -> bool {
    ["pi", "cm"]
        .iter()
        .filter_map(|family| section.strip_prefix(family))
        .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// A setting's value: `name=value`.
pub fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.strip_prefix(name)?
        .trim_start()
        .strip_prefix('=')
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str, model: Model, tryboot: bool) -> Vec<&str> {
        lines(text, model, tryboot).collect()
    }

    #[test]
    fn sections_of_one_kind_replace_one_another_and_of_different_kinds_add_up() {
        let text = "a\n[pi4]\nb\n[pi5]\nc\n[tryboot]\nd\n[all]\ne\n[none]\nf\n[pi4]\n[tryboot]\ng\n[0x1234]\nh\n[pi4]\ni\n[all]\nj";
        assert_eq!(count(text, Model::Pi4, false), ["a", "b", "e", "j"]);
        assert_eq!(count(text, Model::Pi4, true), ["a", "b", "e", "g", "j"]);
        assert_eq!(count(text, Model::Pi5, true), ["a", "c", "d", "e", "j"]);
        assert_eq!(
            count("[pi0]\na\n[pi02]\nb\n[pi3]\nc\n[pi3+]\nd", Model::Zero2, false),
            ["a", "b"]
        );
        assert_eq!(count("# a\n\n  b  \r\n", Model::Pi3, false), ["b"]);
    }

    #[test]
    fn a_value_belongs_to_its_whole_name() {
        assert_eq!(value("kernel=a.img", "kernel"), Some("a.img"));
        assert_eq!(value("kernel_address=1", "kernel"), None);
    }
}
