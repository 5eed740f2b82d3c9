//! `docker import --change`: instructions of a Dockerfile that say something of an image's config.

use crate::Error;
use serde_json::{Value, json};

/// An instruction.
pub(super) struct Change {
    verb: String,
    rest: String,
}

/// Those that are understood.
const KNOWN: [&str; 9] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "LABEL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

impl Change {
    /// Reads one.
    ///
    /// # Errors
    /// 400 for one that is not understood.
    pub fn read(text: &str) -> Result<Self, Error> {
        let (verb, rest) = text
            .trim()
            .split_once(char::is_whitespace)
            .unwrap_or((text.trim(), ""));
        let (verb, rest) = (verb.to_uppercase(), rest.trim().to_owned());
        let proper = match verb.as_str() {
            "ENV" | "LABEL" => rest.contains(['=', ' ']),
            _ => !rest.is_empty(),
        };
        if !KNOWN.contains(&verb.as_str()) || !proper {
            return Err(Error::Invalid(format!(
                "{text} can't be a change: {} with an argument can",
                KNOWN.join(", ")
            )));
        }
        Ok(Self { verb, rest })
    }

    /// Puts it into a config.
    pub fn apply(self, config: &mut Value) {
        let rest = self.rest;
        match self.verb.as_str() {
            "CMD" => config["Cmd"] = words(&rest).into(),
            "ENTRYPOINT" => config["Entrypoint"] = words(&rest).into(),
            "USER" => config["User"] = rest.into(),
            "WORKDIR" => config["WorkingDir"] = rest.into(),
            "STOPSIGNAL" => config["StopSignal"] = rest.into(),
            "VOLUME" => words_or_split(&rest)
                .into_iter()
                .for_each(|path| config["Volumes"][path] = json!({})),
            "EXPOSE" => rest.split_whitespace().for_each(|port| {
                let port = if port.contains('/') {
                    port.to_owned()
                } else {
                    format!("{port}/tcp")
                };
                config["ExposedPorts"][port] = json!({});
            }),
            "LABEL" => {
                let (name, value) = pair(&rest);
                config["Labels"][name] = value.into();
            }
            _ => {
                let (name, value) = pair(&rest);
                let mut env: Vec<Value> = config["Env"].as_array().cloned().unwrap_or_default();
                env.retain(|line| !line.as_str().unwrap_or_default().starts_with(&format!("{name}=")));
                env.push(format!("{name}={value}").into());
                config["Env"] = env.into();
            }
        }
    }
}

/// `["a","b"]`, or a line for the shell.
fn words(text: &str) -> Vec<String> {
    serde_json::from_str(text)
        .unwrap_or_else(|_| vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()])
}

fn words_or_split(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| text.split_whitespace().map(str::to_owned).collect())
}

/// `name=value` or `name value`, the value in quotation marks perhaps.
fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once(['=', ' ']).unwrap_or((text, ""));
    (name.trim().to_owned(), value.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_take_effect_or_are_refused() {
        let mut config = json!({});
        for text in [
            "CMD [\"top\"]",
            "env A=1",
            "ENV A \"2 3\"",
            "EXPOSE 80 53/udp",
            "LABEL x=y",
            "VOLUME /a /b",
            "ENTRYPOINT run it",
        ] {
            Change::read(text).unwrap().apply(&mut config);
        }
        assert_eq!(config["Cmd"], json!(["top"]));
        assert_eq!(config["Env"], json!(["A=2 3"]));
        assert_eq!(config["ExposedPorts"], json!({ "80/tcp": {}, "53/udp": {} }));
        assert_eq!(config["Labels"]["x"], "y");
        assert_eq!(config["Volumes"], json!({ "/a": {}, "/b": {} }));
        assert_eq!(config["Entrypoint"][0], "/bin/sh");
        for text in ["", "RUN x", "CMD", "ENV A"] {
            assert!(Change::read(text).is_err(), "{text}");
        }
    }
}
