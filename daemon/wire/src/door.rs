//! An HTTP request or answer as pieces: how a follower passes a request to the leader.

use crate::proto::{Piece, piece};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde::{Deserialize, Serialize};

/// A request's or an answer's head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    /// Of a request.
    pub method: Option<String>,
    /// Of a request: path and query.
    pub uri: Option<String>,
    /// Of an answer.
    pub status: Option<u16>,
    /// Both; values that are not text are left out.
    pub headers: Vec<(String, String)>,
}

/// Why pieces make no request or answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a request or answer that can be passed on: {0}")]
pub struct Malformed(String);

impl Head {
    /// The head of a request.
    pub fn request(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let uri = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Self {
            method: Some(method.to_string()),
            uri: Some(uri),
            status: None,
            headers: texts(headers),
        }
    }

    /// The head of an answer.
    pub fn answer(status: StatusCode, headers: &HeaderMap) -> Self {
        Self {
            status: Some(status.as_u16()),
            headers: texts(headers),
            ..Self::default()
        }
    }

    /// As a piece.
    pub fn into_piece(self) -> Piece {
        let head = serde_json::to_vec(&self).unwrap_or_default();
        Piece {
            piece: Some(piece::Piece::Head(head.into())),
        }
    }

    /// From the first piece.
    ///
    /// # Errors
    /// [`Malformed`] if it is not a head.
    pub fn from_piece(piece: Option<Piece>) -> Result<Self, Malformed> {
        match piece.and_then(|piece| piece.piece) {
            Some(piece::Piece::Head(head)) => serde_json::from_slice(&head).map_err(malformed),
            _ => Err(Malformed("no head".to_owned())),
        }
    }

    /// Method, path and headers of a request.
    ///
    /// # Errors
    /// [`Malformed`] if they aren't.
    pub fn into_request(self) -> Result<http::request::Builder, Malformed> {
        let method: Method = self
            .method
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(malformed)?;
        let uri: Uri = self
            .uri
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(malformed)?;
        let mut builder = http::Request::builder().method(method).uri(uri);
        if let Some(into) = builder.headers_mut() {
            fill(into, self.headers);
        }
        Ok(builder)
    }

    /// Status and headers of an answer.
    ///
    /// # Errors
    /// [`Malformed`] if they aren't.
    pub fn into_answer(self) -> Result<http::response::Builder, Malformed> {
        let status = StatusCode::from_u16(self.status.unwrap_or_default()).map_err(malformed)?;
        let mut builder = http::Response::builder().status(status);
        if let Some(into) = builder.headers_mut() {
            fill(into, self.headers);
        }
        Ok(builder)
    }
}

/// A part of a body as a piece.
pub fn data(data: Bytes) -> Piece {
    Piece {
        piece: Some(piece::Piece::Data(data)),
    }
}

/// The part of a body in a piece; nothing for a head.
pub fn into_data(piece: Piece) -> Bytes {
    match piece.piece {
        Some(piece::Piece::Data(data)) => data,
        _ => Bytes::new(),
    }
}

fn malformed(error: impl std::fmt::Display) -> Malformed {
    Malformed(error.to_string())
}

/// Headers that concern one connection only stay behind (RFC 9110, 7.6.1).
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let hop = [
        "connection",
        "keep-alive",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "host",
    ];
    headers
        .iter()
        .filter(|(name, _)| !hop.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect()
}

fn fill(into: &mut HeaderMap, headers: Vec<(String, String)>) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            into.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_out_as_it_went_in() {
        let request = http::Request::builder()
            .method("POST")
            .uri("/v1.41/services/create?x=1")
            .header("X-Registry-Auth", "e30=")
            .header("Connection", "close")
            .body(())
            .unwrap();
        let piece = Head::request(request.method(), request.uri(), request.headers()).into_piece();
        let again = Head::from_piece(Some(piece))
            .unwrap()
            .into_request()
            .unwrap()
            .body(())
            .unwrap();
        assert_eq!(again.uri(), request.uri());
        assert_eq!(again.method(), request.method());
        assert_eq!(again.headers().get("x-registry-auth").unwrap(), "e30=");
        assert!(again.headers().get("connection").is_none());
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(Head::from_piece(None).is_err());
        assert!(Head::from_piece(Some(data(Bytes::from_static(b"x")))).is_err());
        assert!(Head::default().into_request().is_err());
        assert!(Head::default().into_answer().is_err());
    }
}
