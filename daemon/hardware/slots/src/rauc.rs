//! Asking RAUC, which checks bundles and writes slots.
//!
//! Source: rauc(1) and RAUC's reference, "Custom bootloader backend" and "system.conf". The image's `system.conf` says
//! `activate-installed=false`, so that installing alone changes nothing of what starts.

use crate::{Error, Paths};
use serde::Deserialize;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

/// For reading a bundle's manifest and checking its signature.
const LOOK: Duration = Duration::from_secs(120);
/// For writing a slot: a slow card takes minutes for 768 MiB.
const WRITE: Duration = Duration::from_secs(3600);
/// Of what a program says, so much is kept for an error.
const KEPT_LINES: usize = 20;
/// Longest line that is looked at, in bytes.
const LONGEST_LINE: usize = 4096;

/// What a bundle says of itself, its signature having been found good.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Bundle {
    /// Which boards it is for.
    pub compatible: String,
    /// Its version.
    pub version: Option<String>,
}

/// Checks a bundle's signature and reads what it says of itself.
///
/// # Errors
/// [`Error::Bundle`] in RAUC's words if it is none, or is not signed by whom the board trusts.
pub async fn info(paths: &Paths, bundle: &Path) -> Result<Bundle, Error> {
    let keyring = paths.make_keyring();
    if keyring.exists() {
        let ended = Command::new(&keyring).kill_on_drop(true).output().await;
        let ended = ended.map_err(Error::file("running", &keyring))?;
        if !ended.status.success() {
            let said = String::from_utf8_lossy(&ended.stderr);
            return Err(Error::Program(format!(
                "{}: {}",
                keyring.display(),
                last_words(said.lines())
            )));
        }
    }
    let program = paths.rauc();
    let asked = Command::new(&program)
        .args(["info", "--output-format=json"])
        .arg(bundle)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(LOOK, asked)
        .await
        .map_err(|_| Error::Program(format!("rauc info says nothing for {} s", LOOK.as_secs())))?
        .map_err(Error::file("running", &program))?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(Error::Bundle(format!(
            "the bundle is refused: {}",
            last_words(said.lines())
        )));
    }
    manifest(&String::from_utf8_lossy(&ended.stdout))
}

/// Reads the JSON of `rauc info`; other lines may stand before it.
fn manifest(said: &str) -> Result<Bundle, Error> {
    let json = said
        .find('{')
        .and_then(|start| said.get(start..))
        .unwrap_or_default();
    let mut values = serde_json::Deserializer::from_str(json).into_iter();
    match values.next() {
        Some(Ok(bundle)) => Ok(bundle),
        _ => Err(Error::Program(
            "rauc info does not say what is in the bundle".to_owned(),
        )),
    }
}

/// Writes a bundle into the slot that does not run. `tell` hears how far it is, in percent, and what is being done.
///
/// # Errors
/// [`Error::Program`] in RAUC's words.
pub async fn install(paths: &Paths, bundle: &Path, mut tell: impl FnMut(u8, &str)) -> Result<(), Error> {
    let program = paths.rauc();
    let mut child = Command::new(&program)
        .arg("install")
        .arg(bundle)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(Error::file("running", &program))?;
    let out = child.stdout.take().map(|out| Box::new(out) as Pipe);
    let err = child.stderr.take().map(|err| Box::new(err) as Pipe);
    let mut said = Vec::new();
    let mut hear = |line: String| {
        if let Some((percent, what)) = progress(&line) {
            tell(percent, what);
        }
        if said.len() == KEPT_LINES {
            said.remove(0);
        }
        said.push(line);
    };
    let hearing = async {
        let (say, mut heard) = mpsc::channel(16);
        let readers = [tokio::spawn(read(out, say.clone())), tokio::spawn(read(err, say))];
        while let Some(line) = heard.recv().await {
            hear(line);
        }
        for reader in readers {
            let _ = reader.await;
        }
        child.wait().await
    };
    let status = tokio::time::timeout(WRITE, hearing)
        .await
        .map_err(|_| Error::Program(format!("rauc install is not done after {} s", WRITE.as_secs())))?
        .map_err(Error::file("running", &program))?;
    if status.success() {
        return Ok(());
    }
    let words = last_words(said.iter().map(String::as_str));
    Err(Error::Program(format!("rauc install: {words} ({status})")))
}

type Pipe = Box<dyn AsyncRead + Send + Unpin>;

/// Tells each line that a program writes, until it writes no more.
async fn read(from: Option<Pipe>, say: mpsc::Sender<String>) {
    let Some(mut from) = from.map(BufReader::new) else {
        return;
    };
    let mut line = Vec::new();
    loop {
        let piece = match from.fill_buf().await {
            Ok(piece) if !piece.is_empty() => piece,
            _ => break,
        };
        // A progress bar goes back to the line's start instead of ending it.
        let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let length = end.unwrap_or(piece.len());
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend_from_slice(&piece[..length.min(room)]);
        from.consume(end.map_or(length, |end| end + 1));
        if end.is_some() && say.send(take(&mut line)).await.is_err() {
            return;
        }
    }
    if !line.is_empty() {
        let _ = say.send(take(&mut line)).await;
    }
}

fn take(line: &mut Vec<u8>) -> String {
    String::from_utf8_lossy(&std::mem::take(line)).into_owned()
}

/// How far an installation is: ` 40% Copying image to rootfs.1`.
fn progress(line: &str) -> Option<(u8, &str)> {
    let (number, rest) = line.trim().split_once('%')?;
    let percent: u8 = number.trim().parse().ok().filter(|percent| *percent <= 100)?;
    Some((percent, rest.trim().trim_end_matches('.')))
}

/// What a program said last, as far as it says why it failed.
fn last_words<'a>(lines: impl DoubleEndedIterator<Item = &'a str> + Clone) -> String {
    let mut backwards = lines.rev().map(str::trim).filter(|line| !line.is_empty());
    // RAUC's own word for it; what else it says of failing says less.
    if let Some(error) = backwards.clone().find_map(|line| line.strip_prefix("LastError:")) {
        return error.trim().to_owned();
    }
    let error = backwards.clone().find(|line| {
        let line = line.to_ascii_lowercase();
        line.contains("error") || line.contains("failed")
    });
    error
        .or_else(|| backwards.next())
        .unwrap_or("it does not say why")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_found_among_other_lines() {
        assert_eq!(
            progress(" 20% Determining slot states done."),
            Some((20, "Determining slot states done"))
        );
        assert_eq!(progress("100% Installing done."), Some((100, "Installing done")));
        for line in ["installing", "101% x", "x% y", "LastError: 5 % of it", ""] {
            assert_eq!(progress(line), None, "{line}");
        }
    }

    #[test]
    fn the_reason_is_among_the_last_words() {
        let said = "100% Installing failed.\nLastError: Failed mounting bundle: no loop device\nidle\nInstalling `b` failed\n\n";
        assert_eq!(last_words(said.lines()), "Failed mounting bundle: no loop device");
        assert_eq!(
            last_words("signature verification failed: x\nbye".lines()),
            "signature verification failed: x"
        );
        assert_eq!(last_words("a\nb\n\n".lines()), "b");
        assert_eq!(last_words("".lines()), "it does not say why");
    }

    #[test]
    fn a_manifest_is_read() {
        let said = "rauc-Message: x\n{\"compatible\":\"bramble-arm64\",\"version\":\"2\",\"images\":[{}]}\n";
        let bundle = manifest(said).unwrap();
        assert_eq!(
            (bundle.compatible.as_str(), bundle.version.as_deref()),
            ("bramble-arm64", Some("2"))
        );
        assert!(manifest("nothing").is_err() && manifest("{}").is_err());
    }

    fn program(script: &str) -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        crate::testing::script(&paths.rauc(), script);
        (dir, paths)
    }

    #[tokio::test]
    async fn an_installation_tells_how_far_it_is() {
        let (_dir, paths) =
            program("printf 'installing\\n  0%% Installing\\n 40%% Copying\\r100%% Done.\\nidle'");
        let mut heard = Vec::new();
        install(&paths, Path::new("/b"), |percent, what| {
            heard.push((percent, what.to_owned()))
        })
        .await
        .unwrap();
        assert_eq!(
            heard.iter().map(|(percent, _)| *percent).collect::<Vec<_>>(),
            [0, 40, 100]
        );
    }

    #[tokio::test]
    async fn a_failure_is_told_in_rauc_s_words() {
        let (_dir, paths) = program("echo 'LastError: no space'; yes | head -c 100000 >&2; exit 1");
        let error = install(&paths, Path::new("/b"), |_, _| {})
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("rauc install:") && error.contains("exit status: 1"),
            "{error}"
        );
        let (_dir, paths) =
            program("echo 'signature verification failed: unable to get local issuer' >&2; exit 1");
        let error = info(&paths, Path::new("/b")).await.unwrap_err();
        assert!(
            matches!(&error, Error::Bundle(text) if text.contains("local issuer")),
            "{error}"
        );
    }
}
