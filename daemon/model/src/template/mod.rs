//! Templates as Swarm's users write them: Go's `text/template`, as far as it makes sense in an environment variable, a mount or
//! a file: `{{.Node.Hostname}}`, pipelines, `if`, `with`, `range`, variables, comments, trim marks, and the functions `index`,
//! `printf`, `join`, `eq` and their like. What this does not know is an error, never left as it is written.
//!
//! Written from the language's description (pkg.go.dev/text/template) and swarmkit's list of fields (swarm.md 1.11).

mod eval;
mod parse;
mod task;

pub use eval::{Functions, Value};
pub use task::{TemplateBoard, expand, fields, render_file};

/// Nesting of blocks and parentheses.
const DEPTH: usize = 32;
/// Longest text that a template may become, in bytes.
const LONGEST: usize = 4 << 20;
/// Most nodes looked at for one text: ranges within ranges come to an end.
const STEPS: usize = 100_000;

/// Why a template can't be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template: {0}")]
pub struct TemplateError(String);

/// Fills in a template.
///
/// # Errors
/// [`TemplateError`] with what can't be read or is not there.
pub fn render(text: &str, data: &Value, functions: Functions<'_>) -> Result<String, TemplateError> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let nodes = parse::parse(text).map_err(TemplateError)?;
    eval::run(&nodes, data, functions).map_err(TemplateError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn shown(text: &str) -> Result<String, String> {
        let map = |pairs: &[(&str, Value)], strict| {
            let owned = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()));
            Value::Map(owned.collect::<BTreeMap<_, _>>(), strict)
        };
        let text_of = |text: &str| Value::Text(text.to_owned());
        let labels = map(&[("a.b", text_of("1")), ("tier", text_of("front"))], false);
        let service = map(&[("Name", text_of("web")), ("Labels", labels)], true);
        let data = map(&[("Service", service)], true);
        let other = |name: &str, args: &[Value]| match (name, args) {
            ("secret", [Value::Text(key)]) if key == "key" => Some(Ok(Value::Text("k".to_owned()))),
            ("secret", _) => Some(Err("no such secret".to_owned())),
            _ => None,
        };
        render(text, &data, &other).map_err(|error| error.to_string())
    }

    #[test]
    fn what_go_shows_is_shown() {
        for (text, result) in [
            ("plain }} text", "plain }} text"),
            ("{{.Service.Name}}-{{ .Service.Name }}", "web-web"),
            (
                "{{index .Service.Labels \"a.b\"}}{{ .Service.Labels.tier }}",
                "1front",
            ),
            ("{{index .Service.Labels `none`}}", ""),
            ("a {{- /* nothing */ -}} b", "ab"),
            (
                "{{if eq .Service.Name \"web\" \"api\"}}yes{{else}}no{{end}}",
                "yes",
            ),
            (
                "{{if not .Service.Name}}a{{else if .Service.Labels}}b{{end}}",
                "b",
            ),
            (
                "{{range $k, $v := .Service.Labels}}{{$k}}={{$v}};{{end}}",
                "a.b=1;tier=front;",
            ),
            (
                "{{with $x := .Service.Name}}{{.}}{{$x | printf \"%s-%q-%s\" \"a\" \"b\" | len}}{{end}}",
                "web9",
            ),
            (
                "{{printf \"%5s|%-5s|%03d|%v%%\" \"a\" \"b\" 7 true}}",
                "    a|b    |007|true%",
            ),
            ("{{join \",\" \"a\" \"b\"}} {{print 1 2 \"x\"}}", "a,b 1 2x"),
            (
                "{{secret \"key\"}} {{(index .Service.Labels `tier`) | len}}",
                "k 5",
            ),
            ("{{$a := 1}}{{$a = 2}}{{$a}}{{$.Service.Name}}", "2web"),
            (
                "{{and 1 0}}{{or 0 \"b\"}}{{lt 1 2}}{{ge \"a\" \"b\"}}",
                "0btruefalse",
            ),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(result), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        for text in [
            "{{.Nonsense}}",
            "{{.Service.Labels.none}}",
            "{{.Service.Name.More}}",
            "{{nosuch}}",
            "{{secret \"other\"}}",
            "{{ if .Service }}",
            "{{end}}",
            "{{",
            "{{}}",
            "{{\"open}}",
            "{{.Service.Name \"x\"}}",
            "{{template \"x\"}}",
            "{{$none}}",
            "{{printf \"%d\" \"x\"}}",
            "{{printf \"%999999999s\" \"x\"}}",
        ] {
            assert!(shown(text).is_err(), "{text}: {:?}", shown(text));
        }
        assert_eq!(shown("{{(1)}}").as_deref(), Ok("1"));
        assert!(shown(&format!("{{{{{}1{}}}}}", "(".repeat(1000), ")".repeat(1000))).is_err());
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "(\\{\\{|\\}\\}|[-.$()|\"` a-z0-9%:=]|if |end|range |index |printf |.Service)*") {
            let _ = shown(&text);
        }
    }
}
