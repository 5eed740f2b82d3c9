//! A machine's card: a file of its own on top of an image that stays as it is.
//!
//! The file is a qcow2 overlay, for the sake of power cuts. QEMU keeps the overlay's table of new clusters in its own memory and
//! writes it to the file when the guest flushes. Killing QEMU hence takes with it what the guest wrote to new places since its last
//! flush, in whole clusters, as a card does whose power goes; what was flushed is there. (A plain file would keep everything that
//! was ever written, and no missing flush would be found.) `cache=unsafe` spares only the host's own fsync.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::firmware::{Partition, TABLE_BYTES, partitions};
use crate::ran::{call, run};

/// Cards are sold in about these sizes, and QEMU's SD controller wants a power of two.
pub const CARD_BYTES: u64 = 8 << 30;

/// A card. It is read and written here only while no machine runs with it.
#[derive(Debug)]
pub struct Card {
    file: PathBuf,
    /// Folder for partitions on their way.
    desk: PathBuf,
}

impl Card {
    /// A fresh copy of `image` (a raw file), grown to `bytes`, in `dir`.
    ///
    /// # Errors
    /// When qemu-img can't.
    pub fn copy(image: &Path, dir: &Path, bytes: u64) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let image = fs::canonicalize(image).with_context(|| format!("no image {}", image.display()))?;
        let file = dir.join("card.qcow2");
        run(Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
            .arg(&image)
            .arg(&file)
            .arg(bytes.to_string()))
        .ok()?;
        Ok(Card {
            file,
            desk: dir.to_owned(),
        })
    }

    /// The file, for QEMU.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Its partitions.
    ///
    /// # Errors
    /// When it can't be read or holds no table of partitions.
    pub fn partitions(&self) -> Result<Vec<Partition>> {
        partitions(|at| {
            let piece = self.take(at, TABLE_BYTES as u64, "table")?;
            let bytes = fs::read(&piece)?;
            fs::remove_file(piece)?;
            let table: Result<[u8; TABLE_BYTES], _> = bytes.try_into();
            table
                .ok()
                .with_context(|| format!("a sector at {at} that is none"))
        })
    }

    /// A FAT partition, as it is now.
    ///
    /// # Errors
    /// When the card has no such partition.
    pub fn fat(&self, number: u32) -> Result<Fat> {
        let all = self.partitions()?;
        let found = all.iter().find(|one| one.number == number && one.is_fat());
        let at = *found.with_context(|| format!("{} has no FAT partition {number}", self.file.display()))?;
        let file = self.take(at.start, at.length, &format!("partition-{number}"))?;
        Ok(Fat { file })
    }

    /// Puts files into a FAT partition: name and content.
    ///
    /// # Errors
    /// When the card has no such partition, or no room.
    pub fn put(&self, number: u32, files: &[(&str, &[u8])]) -> Result<()> {
        let all = self.partitions()?;
        let found = all.iter().find(|one| one.number == number);
        let at = *found.with_context(|| format!("{} has no partition {number}", self.file.display()))?;
        let fat = self.fat(number)?;
        for (name, content) in files {
            fat.write(name, content)?;
        }
        // `-n`: into the card as it is, and no new one.
        run(Command::new("qemu-img")
            .args(["convert", "-q", "-n", "-f", "raw"])
            .arg(&fat.file)
            .args(["--target-image-opts", &self.window(at.start, at.length)]))
        .ok()
        .map(drop)
    }

    /// Copies a piece of the card into a file.
    fn take(&self, start: u64, length: u64, name: &str) -> Result<PathBuf> {
        let file = self.desk.join(name);
        run(Command::new("qemu-img")
            .args([
                "convert",
                "-q",
                "-O",
                "raw",
                "--image-opts",
                &self.window(start, length),
            ])
            .arg(&file))
        .ok()?;
        Ok(file)
    }

    /// A piece of the card in qemu-img's words.
    fn window(&self, start: u64, length: u64) -> String {
        let file = self.file.display().to_string().replace(',', ",,");
        format!(
            "driver=raw,offset={start},size={length},file.driver=qcow2,file.file.driver=file,file.file.filename={file}"
        )
    }
}

/// The copy of a FAT partition; gone with the value.
#[derive(Debug)]
pub struct Fat {
    file: PathBuf,
}

impl Fat {
    /// A file's content, or `None` if there is no such file.
    ///
    /// # Errors
    /// When this is no FAT.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let there = run(mtools("mdir")
            .args(["-b", "-i"])
            .arg(&self.file)
            .arg(format!("::/{name}")));
        if !there.success() {
            // Is it the file that lacks, or all of it?
            run(mtools("mdir").args(["-b", "-i"]).arg(&self.file).arg("::/")).ok()?;
            return Ok(None);
        }
        let target = self.file.with_extension("file");
        run(mtools("mcopy")
            .args(["-n", "-o", "-i"])
            .arg(&self.file)
            .arg(format!("::/{name}"))
            .arg(&target))
        .ok()?;
        let content = fs::read(&target)?;
        fs::remove_file(target)?;
        Ok(Some(content))
    }

    /// A file's content as text, or `None` if there is no such file.
    ///
    /// # Errors
    /// When it isn't text.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        let content = self.read(name)?;
        let text = content.map(String::from_utf8).transpose();
        text.with_context(|| format!("{name} is not text"))
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let source = self.file.with_extension("file");
        fs::File::create(&source)?.write_all(content)?;
        run(mtools("mcopy")
            .args(["-n", "-o", "-i"])
            .arg(&self.file)
            .arg(&source)
            .arg(format!("::/{name}")))
        .ok()?;
        Ok(fs::remove_file(source)?)
    }
}

impl Drop for Fat {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

fn mtools(program: &str) -> Command {
    let mut command = Command::new(program);
    // It asks questions about geometries that no card has had for decades.
    command.env("MTOOLS_SKIP_CHECK", "1");
    command
}

/// The raw image behind a file that may be packed (`.zst`, `.xz`): unpacked once, into `dir`, and again when it has changed.
///
/// # Errors
/// When it can't be unpacked.
pub fn raw_image(image: &Path, dir: &Path) -> Result<PathBuf> {
    let unpack = match image.extension().and_then(|ending| ending.to_str()) {
        Some("zst") => "zstd",
        Some("xz") => "xz",
        _ => return Ok(image.to_owned()),
    };
    fs::create_dir_all(dir)?;
    let name = image.file_stem().context("an image has a name")?;
    let raw = dir.join(name);
    let made = |file: &Path| fs::metadata(file).and_then(|one| one.modified());
    if raw.is_file() && made(&raw)? >= made(image)? {
        return Ok(raw);
    }
    let draft = raw.with_extension("draft");
    let packed = fs::File::open(image).with_context(|| format!("no image {}", image.display()))?;
    let status = Command::new(unpack)
        .args(["--decompress", "--stdout"])
        .stdin(packed)
        .stdout(fs::File::create(&draft)?)
        .status()
        .with_context(|| format!("cannot start {unpack}"))?;
    ensure!(status.success(), "{unpack} cannot unpack {}", image.display());
    // Zeros become holes.
    call("fallocate", &["--dig-holes".as_ref(), draft.as_os_str()])?;
    fs::rename(draft, &raw)?;
    Ok(raw)
}
