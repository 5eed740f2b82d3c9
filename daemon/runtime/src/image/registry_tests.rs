use super::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A registry at a loopback address that answers each request by itself: the head of the request to the whole answer.
async fn fake(answer: impl Fn(&str, &str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let own = host.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut request, mut buffer) = (String::new(), [0; 4096]);
            loop {
                let count = stream.read(&mut buffer).await.unwrap_or(0);
                request.push_str(&String::from_utf8_lossy(&buffer[..count]));
                let length = request
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
                let body = request.split_once("\r\n\r\n").map(|(_, body)| body.len());
                if count == 0 || body.is_some_and(|body| body >= length.unwrap_or(0)) {
                    break;
                }
            }
            let _ = stream.write_all(answer(&request, &own).as_bytes()).await;
        }
    });
    host
}

fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn unauthorized(challenge: &str) -> String {
    format!(
        "HTTP/1.1 401 No\r\nconnection: close\r\ncontent-length: 0\r\nwww-authenticate: {challenge}\r\n\r\n"
    )
}

fn credentials(basic: Option<(&str, &str)>, identity: Option<&str>) -> Option<Credentials> {
    Some(Credentials {
        basic: basic.map(|(name, password)| (name.to_owned(), password.to_owned())),
        identity: identity.map(str::to_owned),
        registry: None,
    })
}

async fn pulled(host: &str, credentials: Option<Credentials>) -> Result<String, Error> {
    let registry = Registry::new(&Config::default()).unwrap().with(credentials);
    let reference = Reference::parse(&format!("{host}/a:1")).unwrap();
    let answered = registry.manifest(&reference, "1").await?;
    Ok(String::from_utf8(answered.body).unwrap())
}

#[tokio::test]
async fn a_name_and_a_password_are_shown_where_they_are_asked_for() {
    let host = fake(
        |request, _| match request.contains("authorization: Basic YTpi\r\n") {
            true => ok("{}"),
            false => unauthorized("Basic realm=\"x\""),
        },
    )
    .await;
    assert_eq!(
        pulled(&host, credentials(Some(("a", "b")), None))
            .await
            .as_deref(),
        Ok("{}")
    );
    for wrong in [None, credentials(Some(("a", "c")), None)] {
        let refused = pulled(&host, wrong).await.unwrap_err();
        assert!(
            refused.to_string().starts_with("pull access denied for"),
            "{refused}"
        );
    }
    let registry = Registry::new(&Config::default()).unwrap();
    assert_eq!(
        registry
            .with(credentials(Some(("a", "b")), None))
            .log_in(&host)
            .await,
        Ok(())
    );
    assert!(matches!(registry.log_in(&host).await, Err(Error::Fatal(_))));
}

/// A registry whose token server gives `T` to a name and a password, or to an identity.
async fn with_tokens() -> String {
    fake(|request, own| {
        let line = request.lines().next().unwrap_or_default();
        if line.starts_with("GET /token?") && line.contains("scope=repository%3Aa%3Apull") {
            return match request.contains("authorization: Basic YTpi\r\n") {
                true => ok(r#"{"token":"T"}"#),
                false => unauthorized("Basic realm=\"x\""),
            };
        }
        if line.starts_with("POST /token ") {
            let right = request.contains("grant_type=refresh_token&refresh_token=I&");
            return if right {
                ok(r#"{"access_token":"T"}"#)
            } else {
                unauthorized("")
            };
        }
        match request.contains("authorization: Bearer T\r\n") {
            true => ok("{}"),
            false => unauthorized(&format!(
                "Bearer realm=\"http://{own}/token\",service=\"s\",scope=\"repository:a:pull\""
            )),
        }
    })
    .await
}

#[tokio::test]
async fn a_token_is_had_for_a_password_or_an_identity() {
    let host = with_tokens().await;
    assert_eq!(
        pulled(&host, credentials(Some(("a", "b")), None))
            .await
            .as_deref(),
        Ok("{}")
    );
    assert_eq!(
        pulled(&host, credentials(None, Some("I"))).await.as_deref(),
        Ok("{}")
    );
    for wrong in [
        None,
        credentials(Some(("a", "x")), None),
        credentials(None, Some("J")),
    ] {
        assert!(matches!(pulled(&host, wrong).await, Err(Error::Fatal(_))));
    }
}

#[tokio::test]
async fn a_mirror_is_shown_nothing() {
    let mirror = fake(|request, _| match request.contains("authorization") {
        true => ok("seen"),
        false => ok("{}"),
    })
    .await;
    let config = Config {
        registry_mirror: Some(format!("http://{mirror}")),
        ..Config::default()
    };
    let mut shown = credentials(Some(("a", "b")), None).unwrap();
    shown.registry = Some("R".to_owned());
    let registry = Registry::new(&config).unwrap().with(Some(shown));
    let answered = registry
        .manifest(&Reference::parse("a:1").unwrap(), "1")
        .await
        .unwrap();
    assert_eq!(answered.body, b"{}");
}

#[tokio::test]
async fn a_blob_is_gone_on_with() {
    let host = fake(|request, _| match request.contains("range: bytes=3-\r\n") {
        true => ok("def").replace("200 OK", "206 Partial Content"),
        false => ok("abcdef"),
    })
    .await;
    let registry = Registry::new(&Config::default()).unwrap();
    let reference = Reference::parse(&format!("{host}/a")).unwrap();
    let base = format!("http://{host}");
    let rest = registry.blob(&base, &reference, "sha256:x", 3).await.unwrap();
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(rest.text().await.unwrap(), "def");
    let whole = registry.small_blob(&base, &reference, "sha256:x").await.unwrap();
    assert_eq!(whole, b"abcdef");
}
