//! `/v1.NN/…`: which versions of the API are spoken.

use crate::Error;

/// The newest version spoken.
pub const API_VERSION: (u32, u32) = (1, 51);
/// The oldest.
pub const MIN_API_VERSION: (u32, u32) = (1, 24);

/// A version as text.
pub(crate) fn text(version: (u32, u32)) -> String {
    format!("{}.{}", version.0, version.1)
}

/// Takes the version off a path. A path without one is taken as of the newest.
///
/// # Errors
/// 400 in Docker's words if the version is not spoken.
pub(crate) fn strip(path: &str) -> Result<&str, Error> {
    let Some((first, _)) = path
        .strip_prefix("/v")
        .map(|rest| rest.split_once('/').unwrap_or((rest, "")))
    else {
        return Ok(path);
    };
    let Some((major, minor)) = first.split_once('.') else {
        return Ok(path);
    };
    let (Ok(major), Ok(minor)) = (major.parse::<u32>(), minor.parse::<u32>()) else {
        return Ok(path);
    };
    let version = (major, minor);
    if version > API_VERSION {
        return Err(Error::Invalid(format!(
            "client version {} is too new. Maximum supported API version is {}",
            text(version),
            text(API_VERSION)
        )));
    }
    if version < MIN_API_VERSION {
        return Err(Error::Invalid(format!(
            "client version {} is too old. Minimum supported API version is {}, please upgrade your client to a newer \
             version",
            text(version),
            text(MIN_API_VERSION)
        )));
    }
    Ok(&path["/v".len() + first.len()..])
}

/// The version that a request was made in, kept with the request when the prefix comes off its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spoken(pub (u32, u32));

impl Spoken {
    /// Of a path that still has its prefix; without one it is the newest.
    pub fn of(path: &str) -> Self {
        let number = || {
            let (major, minor) = path.strip_prefix("/v")?.split('/').next()?.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        };
        Self(number().unwrap_or(API_VERSION))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_comes_off() {
        assert_eq!(strip("/v1.41/info").unwrap(), "/info");
        assert_eq!(strip("/info").unwrap(), "/info");
        assert_eq!(strip("/volumes").unwrap(), "/volumes");
        assert_eq!(strip("/v1.x/info").unwrap(), "/v1.x/info");
    }

    #[test]
    fn versions_out_of_range_are_refused_in_dockers_words() {
        assert!(
            strip("/v1.99/info")
                .unwrap_err()
                .to_string()
                .contains("too new. Maximum supported API version is 1.51")
        );
        assert!(strip("/v1.12/info").unwrap_err().to_string().contains("too old"));
    }
}
