//! Users and groups by name, from the files of the container's own root.

use containerd_client::types::Mount;
use exec::Error;
use std::path::{Path, PathBuf};

/// Who a container's first process is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub home: Option<String>,
}

/// The largest file that is read: a root file system is a stranger's.
const MOST: u64 = 1 << 20;

/// Finds out who `user` (`name[:group]`, numbers or names) is; root if empty.
///
/// # Errors
/// [`Error::Fatal`] if there is no such user or group.
pub(crate) fn resolve(user: &str, extra: &[String], mounts: &[Mount]) -> Result<User, Error> {
    let (passwd, group) = (read(mounts, "passwd"), read(mounts, "group"));
    lookup(user, extra, &passwd, &group)
}

fn lookup(user: &str, extra: &[String], passwd: &str, group: &str) -> Result<User, Error> {
    let (name, group_name) = match user.split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
        None => (user, None),
    };
    let name = if name.is_empty() { "0" } else { name };
    let number: Option<u32> = name.parse().ok();
    let entry = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| {
            fields.len() >= 6 && (fields[0] == name || number.is_some_and(|uid| fields[2].parse() == Ok(uid)))
        });
    let mut found = match (&entry, number) {
        (Some(fields), _) => User {
            uid: fields[2].parse().unwrap_or(0),
            gid: fields[3].parse().unwrap_or(0),
            groups: Vec::new(),
            home: Some(fields[5].to_owned()).filter(|home| !home.is_empty()),
        },
        (None, Some(uid)) => User {
            uid,
            home: Some("/".to_owned()),
            ..User::default()
        },
        (None, None) => {
            return Err(Error::Fatal(format!(
                "unable to find user {name}: no matching entries in passwd file"
            )));
        }
    };
    if let Some(group_name) = group_name {
        found.gid = group_number(group_name, group)?;
    } else if let Some(fields) = &entry {
        found.groups = groups_of(fields[0], group);
    }
    for name in extra {
        found.groups.push(group_number(name, group)?);
    }
    found.groups.sort_unstable();
    found.groups.dedup();
    Ok(found)
}

fn group_number(name: &str, group: &str) -> Result<u32, Error> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let found = group.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        if fields.len() >= 3 && fields[0] == name {
            fields[2].parse().ok()
        } else {
            None
        }
    });
    found.ok_or_else(|| {
        Error::Fatal(format!(
            "unable to find group {name}: no matching entries in group file"
        ))
    })
}

fn groups_of(user: &str, group: &str) -> Vec<u32> {
    let member = |line: &str| {
        let fields: Vec<_> = line.split(':').collect();
        let is = fields.len() >= 4 && fields[3].split(',').any(|name| name == user);
        if is { fields[2].parse().ok() } else { None }
    };
    group.lines().filter_map(member).collect()
}

/// `/etc/NAME` of a container's root, without mounting it: from the topmost layer that has it.
fn read(mounts: &[Mount], name: &str) -> String {
    for layer in layers(mounts) {
        let path = layer.join("etc").join(name);
        match plain_file(&layer, &path) {
            Some(true) => return std::fs::read_to_string(path).unwrap_or_default(),
            Some(false) => return String::new(),
            None => {}
        }
    }
    String::new()
}

/// Whether it is a plain file of bearable size that is not reached by a link out of the layer; none if it is not there.
fn plain_file(layer: &Path, path: &Path) -> Option<bool> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    let etc = std::fs::symlink_metadata(layer.join("etc")).ok()?;
    Some(meta.is_file() && etc.is_dir() && meta.len() <= MOST)
}

fn layers(mounts: &[Mount]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for mount in mounts {
        if mount.r#type == "bind" {
            found.push(mount.source.clone().into());
        }
        let option = |name: &str| {
            mount
                .options
                .iter()
                .find_map(|option| option.strip_prefix(name).map(str::to_owned))
        };
        found.extend(option("upperdir=").map(PathBuf::from));
        found.extend(
            option("lowerdir=")
                .iter()
                .flat_map(|list| list.split(':').map(PathBuf::from)),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:www:/var/www:/bin/false\n";
    const GROUP: &str = "root:x:0:\ndialout:x:20:web\nwww:x:34:\n";

    fn who(user: &str) -> Result<User, Error> {
        lookup(user, &[], PASSWD, GROUP)
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(who("").unwrap().home.as_deref(), Some("/root"));
        let web = who("web").unwrap();
        assert_eq!((web.uid, web.gid, web.groups), (33, 34, vec![20]));
        assert_eq!(who("33").unwrap().gid, 34);
        let stranger = who("1000").unwrap();
        assert_eq!((stranger.uid, stranger.gid), (1000, 0));
        assert_eq!(who("web:dialout").unwrap().gid, 20);
        assert_eq!(who("7:8").unwrap().gid, 8);
        assert!(who("nobody").is_err());
        assert!(who("web:none").is_err());
        assert_eq!(
            lookup("web", &["www".into(), "5".into()], PASSWD, GROUP)
                .unwrap()
                .groups,
            [5, 20, 34]
        );
    }
}
