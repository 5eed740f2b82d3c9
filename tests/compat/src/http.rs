//! Requests and answers out of the bytes that went over a connection.

use anyhow::{Context, Result, bail};

/// One message: its first line's parts, and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub method: String,
    pub path: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub status: u16,
    pub json: bool,
    pub body: Vec<u8>,
}

const MOST_HEADERS: usize = 64;

/// All requests that a client sent over one connection.
pub(crate) fn requests(mut bytes: &[u8]) -> Result<Vec<Request>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = head.parse(bytes)? else {
            bail!("a request breaks off");
        };
        let request = Request {
            method: head.method.unwrap_or_default().to_owned(),
            path: head.path.unwrap_or_default().to_owned(),
        };
        let (_, used) = body(head.headers, &bytes[length..], false)?;
        bytes = bytes.get(length + used..).unwrap_or_default();
        all.push(request);
    }
    Ok(all)
}

/// The answers to these requests. The last one's body may break off: the client may have hung up.
pub(crate) fn answers(mut bytes: &[u8], requests: &[Request]) -> Result<Vec<Answer>> {
    let mut all = Vec::new();
    for request in requests {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        if bytes.is_empty() {
            break;
        }
        let httparse::Status::Complete(length) = head.parse(bytes)? else {
            bail!("the answer to {} {} breaks off", request.method, request.path);
        };
        let status = head.code.context("an answer without a status")?;
        let json =
            header(head.headers, "content-type").is_some_and(|kind| kind.starts_with("application/json"));
        let none = request.method == "HEAD" || matches!(status, 204 | 304);
        let (body, used) = if none {
            (Vec::new(), 0)
        } else {
            body(head.headers, &bytes[length..], true)?
        };
        bytes = bytes.get(length + used..).unwrap_or_default();
        all.push(Answer { status, json, body });
    }
    Ok(all)
}

fn header<'a>(headers: &'a [httparse::Header<'_>], name: &str) -> Option<&'a str> {
    let found = headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(found.value).ok()
}

/// A body, and how many bytes it took.
fn body(headers: &[httparse::Header<'_>], bytes: &[u8], to_end: bool) -> Result<(Vec<u8>, usize)> {
    if header(headers, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return chunks(bytes);
    }
    let length = match header(headers, "content-length") {
        Some(length) => length
            .parse::<usize>()
            .context("a bad content-length")?
            .min(bytes.len()),
        None if to_end => bytes.len(),
        None => 0,
    };
    Ok((bytes[..length].to_vec(), length))
}

fn chunks(bytes: &[u8]) -> Result<(Vec<u8>, usize)> {
    let (mut all, mut at) = (Vec::new(), 0);
    loop {
        let size = httparse::parse_chunk_size(&bytes[at..]).map_err(|_| anyhow::anyhow!("a bad chunk"))?;
        let httparse::Status::Complete((head, size)) = size else {
            return Ok((all, bytes.len()));
        };
        let from = at + head;
        let to = from.saturating_add(usize::try_from(size)?);
        let Some(piece) = bytes.get(from..to) else {
            return Ok((all, bytes.len()));
        };
        all.extend_from_slice(piece);
        at = (to + 2).min(bytes.len());
        if size == 0 {
            return Ok((all, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_messages_on_one_connection() {
        let sent = b"HEAD /_ping HTTP/1.1\r\nHost: x\r\n\r\nPOST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET /b HTTP/1.1\r\n\r\n";
        let asked = requests(sent).unwrap();
        let paths: Vec<_> = asked.iter().map(|request| request.path.as_str()).collect();
        assert_eq!(paths, ["/_ping", "/a", "/b"]);
        let said = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHTTP/1.1 201 Created\r\nContent-Type: application/json\r\n\
            Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nde";
        let all = answers(said, &asked).unwrap();
        let seen: Vec<_> = all
            .iter()
            .map(|one| (one.status, one.json, one.body.as_slice()))
            .collect();
        assert_eq!(
            seen,
            [(200, false, &b""[..]), (201, true, b"{}"), (200, false, b"abc")]
        );
    }
}
