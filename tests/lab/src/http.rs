//! As much of HTTP/1.1 as the lab needs: one request on a fresh connection, over TCP or a unix socket.

use std::{
    io::{BufRead, BufReader, Read, Write},
    str::FromStr,
};

use anyhow::{Context, Result, bail};

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields, names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body, with what is not UTF-8 replaced.
    pub body: String,
}

impl Response {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none; the error shows the status and the body.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.body)
            .with_context(|| format!("status {}, and the body is no JSON: {:?}", self.status, self.body))
    }

    /// A header field's value; `name` in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The same response if its status means success.
    ///
    /// # Errors
    /// When it doesn't; the error shows status and body.
    pub fn ok(self) -> Result<Self> {
        if !(200..300).contains(&self.status) {
            bail!("status {}: {}", self.status, self.body.trim_end());
        }
        Ok(self)
    }
}

/// What to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub method: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    pub content_type: &'a str,
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// A request without a body.
    pub fn new(method: &'a str, host: &'a str, path: &'a str) -> Self {
        Request {
            method,
            host,
            path,
            content_type: "",
            body: b"",
        }
    }

    /// The same with a body.
    pub fn with(self, content_type: &'a str, body: &'a [u8]) -> Self {
        Request {
            content_type,
            body,
            ..self
        }
    }

    /// Sends it and reads the answer to its end.
    pub fn send(self, mut stream: impl Read + Write) -> Result<Response> {
        let Request {
            method,
            host,
            path,
            content_type,
            body,
        } = self;
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nConnection: close\r\n");
        if !content_type.is_empty() {
            head.push_str(&format!("Content-Type: {content_type}\r\n"));
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        // A server that refuses a large body may answer and hang up before it has read it: the answer counts.
        let sent = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body))
            .and_then(|()| stream.flush());
        match (read(BufReader::new(stream), method), sent) {
            (Ok(response), _) => Ok(response),
            (Err(_), Err(error)) => Err(error).with_context(|| format!("cannot send {method} {path}")),
            (Err(error), Ok(())) => Err(error).with_context(|| format!("no good answer to {method} {path}")),
        }
    }
}

fn read(mut stream: impl BufRead, method: &str) -> Result<Response> {
    let (status, headers) = loop {
        let head = read_head(&mut stream)?;
        // 1xx only announce the answer; 101 would be one, but nothing here asks for an upgrade.
        if !(100..200).contains(&head.0) {
            break head;
        }
    };
    let header = |name: &str| {
        headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let mut body = Vec::new();
    if method != "HEAD" && !matches!(status, 204 | 304) {
        if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            read_chunks(&mut stream, &mut body)?;
        } else if let Some(length) = header("content-length") {
            let length = u64::from_str(length).context("bad content-length")?;
            stream.take(length).read_to_end(&mut body)?;
            if (body.len() as u64) < length {
                bail!("the body ends early");
            }
        } else {
            stream.read_to_end(&mut body)?;
        }
    }
    Ok(Response {
        status,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn read_head(stream: &mut impl BufRead) -> Result<(u16, Vec<(String, String)>)> {
    let first = line(stream)?;
    let code = first.split(' ').nth(1).filter(|_| first.starts_with("HTTP/1."));
    let status = code
        .and_then(|code| code.parse().ok())
        .with_context(|| format!("not HTTP: {first:?}"))?;
    let mut headers = Vec::new();
    loop {
        let field = line(stream)?;
        if field.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = field
            .split_once(':')
            .with_context(|| format!("bad header {field:?}"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let size = line(stream)?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16).with_context(|| format!("bad chunk size {size:?}"))?;
        let before = body.len();
        stream.by_ref().take(size).read_to_end(body)?;
        if ((body.len() - before) as u64) < size {
            bail!("a chunk ends early");
        }
        // After a chunk's bytes; after the last one, trailers up to an empty line.
        while !line(stream)?.is_empty() {
            if size != 0 {
                bail!("bytes after a chunk");
            }
        }
        if size == 0 {
            return Ok(());
        }
    }
}

fn line(stream: &mut impl BufRead) -> Result<String> {
    let mut text = String::new();
    if stream.read_line(&mut text)? == 0 {
        bail!("the connection ended");
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_come_in_chunks_by_length_or_to_the_end() {
        for answer in [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabcde",
        ] {
            let response = read(answer.as_bytes(), "GET").unwrap();
            assert_eq!(
                (response.status, response.body.as_str()),
                (200, "abcde"),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn a_cut_off_answer_is_an_error() {
        for answer in [
            "",
            "HTTP/1.1 200",
            "SSH-2.0\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        ] {
            assert!(read(answer.as_bytes(), "GET").is_err(), "{answer:?}");
        }
    }

    #[test]
    fn the_answer_to_head_has_a_length_and_no_body() {
        let response = read(
            "HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n".as_bytes(),
            "HEAD",
        )
        .unwrap();
        assert_eq!((response.status, response.body.as_str()), (404, ""));
        assert_eq!(response.header("content-length"), Some("99"));
        assert!(response.ok().is_err());
    }
}
