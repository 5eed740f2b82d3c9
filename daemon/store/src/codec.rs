//! Bytes on disk and between managers: a version byte, then JSON, which describes itself.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The only version so far.
const JSON: u8 = 1;

/// Encodes a value.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes = vec![JSON];
    serde_json::to_writer(&mut bytes, value).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Decodes a value.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match bytes.split_first() {
        Some((&JSON, rest)) => serde_json::from_slice(rest).map_err(|error| error.to_string()),
        Some((version, _)) => Err(format!("version {version} is not known here")),
        None => Err("empty".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Entry, Request};
    use openraft::{CommittedLeaderId, EntryPayload, LogId};

    /// What managers of this version write must be read by all later ones.
    #[test]
    fn an_entry_has_these_bytes() {
        let entry = Entry {
            log_id: LogId::new(CommittedLeaderId::new(2, 1), 7),
            payload: EntryPayload::Normal(Request(state::Transaction::new())),
        };
        let bytes = encode(&entry).unwrap();
        let golden = "\u{1}{\"log_id\":{\"leader_id\":{\"term\":2,\"node_id\":1},\"index\":7},\
                      \"payload\":{\"Normal\":{\"changes\":[]}}}";
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), golden);
        assert_eq!(decode::<Entry>(&bytes).unwrap(), entry);
    }

    #[test]
    fn another_version_is_an_error() {
        assert!(decode::<u8>(&[9, b'1']).unwrap_err().contains("version 9"));
        assert!(decode::<u8>(&[]).is_err());
    }
}
