//! What users get wrong: Docker's code, a message that says what is wrong, and nothing lost.

use anyhow::{Context, Result};
use bramble_e2e::{contains, docker, refused, settled, until};
use lab::Lab;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

/// One cluster for all of it: at the end it must still do its work.
#[test]
fn mistakes_are_named_and_nothing_is_lost() -> Result<()> {
    let lab = Lab::up("mistakes", 1)?;
    let board = lab.board(1);
    docker(board, "service create -d --name web nginx:1.10")?;
    settled(&lab, board, "web", 1)?;

    contains(
        &refused(board, "service create -d --name web nginx:1.10")?,
        "service web already exists",
    )?;
    contains(
        &refused(board, "service create -d --name bad*name nginx:1.10")?,
        "valid as a DNS name",
    )?;
    contains(
        &refused(board, "service create -d --constraint nonsense nginx:1.10")?,
        "operator",
    )?;
    contains(
        &refused(
            board,
            "service create -d --endpoint-mode dnsrr --publish 80:80 nginx:1.10",
        )?,
        "can't be used with dnsrr mode",
    )?;
    contains(
        &refused(
            board,
            "service create -d --health-cmd true --health-interval 1us nginx:1.10",
        )?,
        "Interval in Healthcheck cannot be less than 1ms",
    )?;
    contains(
        &refused(board, "service inspect nosuch")?,
        "no such service: nosuch",
    )?;
    contains(
        &refused(board, "service update -d --image x nosuch")?,
        "not found",
    )?;
    contains(&refused(board, "node inspect nosuch")?, "node nosuch not found")?;

    docker(
        board,
        "service create -d --name absent --restart-condition none nosuch:1",
    )?;
    until(&lab, board, "service ps --no-trunc absent", |said| {
        said.contains("No such image: nosuch:1")
    })?;
    docker(
        board,
        "service create -d --name broken --restart-condition none nginx:1.10 /nosuch",
    )?;
    docker(
        board,
        "service create -d --name ends --restart-condition none busybox:latest false",
    )?;
    until(&lab, board, "service ps --no-trunc ends", |said| {
        said.contains("non-zero exit (1)")
    })?;
    docker(
        board,
        "service create -d --name nowhere --constraint node.labels.x==y nginx:1.10",
    )?;
    until(&lab, board, "service ps --no-trunc nowhere", |said| {
        said.contains("no suitable node (scheduling constraints")
    })?;

    for (method, path, body, status, says) in [
        ("POST", "/v1.41/services/create", Some("{"), 400, "invalid JSON"),
        (
            "POST",
            "/v1.41/services/create",
            Some("{\"Name\":3}"),
            400,
            "invalid JSON",
        ),
        ("POST", "/v1.41/services/create", None, 400, "invalid JSON"),
        (
            "POST",
            "/v1.41/services/web/update?version=x",
            Some("{}"),
            400,
            "version",
        ),
        ("GET", "/v1.99/services", None, 400, "too new"),
        ("GET", "/v1.12/services", None, 400, "too old"),
        (
            "GET",
            "/v1.41/services?filters=%7B%22x%22%3A%5B%5D%7D",
            None,
            400,
            "invalid filter 'x'",
        ),
        ("GET", "/v1.41/nothing", None, 404, "page not found"),
        ("POST", "/v1.41/build", None, 501, "push them to a registry"),
        (
            "GET",
            "/v1.41/tasks/nosuch/logs?stdout=1",
            None,
            404,
            "task nosuch not found",
        ),
        (
            "GET",
            "/v1.41/services/web/logs",
            None,
            400,
            "at least one stream",
        ),
    ] {
        let answer = board.api(method, path, body)?;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        let message = answer.json()?["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(says), "{method} {path}: {message}");
    }
    stale_version(&lab)?;
    let answer = huge_body(board.socket()).context("a body of 100 MB")?;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");

    assert_eq!(settled(&lab, board, "web", 1)?.len(), 1);
    Ok(())
}

fn stale_version(lab: &Lab) -> Result<()> {
    let board = lab.board(1);
    let service = board.api("GET", "/v1.41/services/web", None)?.ok()?.json()?;
    let update = format!(
        "/v1.41/services/web/update?version={}",
        service["Version"]["Index"]
    );
    board
        .api("POST", &update, Some(&service["Spec"].to_string()))?
        .ok()?;
    let again = board.api("POST", &update, Some(&service["Spec"].to_string()))?;
    assert_eq!(again.status, 500);
    contains(&again.body, "update out of sequence")
}

/// Sends a body of 100 MB until it is refused; the answer's beginning.
fn huge_body(socket: std::path::PathBuf) -> Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    let head = "POST /v1.41/services/create HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    let piece = [b'x'; 65536];
    for _ in 0..1600 {
        if stream.write_all(&piece).is_err() {
            break;
        }
    }
    let mut answer = vec![0; 64];
    let count = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..count]).into_owned())
}
