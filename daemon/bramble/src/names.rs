//! Addresses from what people write: `10.0.0.7`, `[fd00::7]:2377`, `pi.example:2377`.
//!
//! Names are asked for in this process: glibc's getaddrinfo would load libraries of the board's own glibc into a static program.

use hickory_resolver::TokioResolver;
use std::net::{IpAddr, SocketAddr};

/// Where managers listen, if nothing else is said.
const PORT: u16 = 2377;

/// All addresses of a remote.
///
/// # Errors
/// What is wrong with it, in words.
pub async fn resolve(remote: &str) -> Result<Vec<SocketAddr>, String> {
    let (host, port) = match split(remote)? {
        Remote::Address(address) => return Ok(vec![address]),
        Remote::Name(host, port) => (host, port),
    };
    let failed = |error: &dyn std::fmt::Display| format!("{host}: {error}");
    let resolver = TokioResolver::builder_tokio()
        .and_then(hickory_resolver::ResolverBuilder::build)
        .map_err(|error| failed(&error))?;
    let found = resolver.lookup_ip(host).await.map_err(|error| failed(&error))?;
    Ok(found.iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

#[derive(Debug, PartialEq, Eq)]
enum Remote<'a> {
    Address(SocketAddr),
    Name(&'a str, u16),
}

fn split(remote: &str) -> Result<Remote<'_>, String> {
    if let Ok(address) = remote.parse() {
        return Ok(Remote::Address(address));
    }
    let bare = remote
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(remote);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(Remote::Address(SocketAddr::new(ip, PORT)));
    }
    let (host, port) = match remote.rsplit_once(':') {
        Some((host, port)) => (
            host,
            port.parse()
                .map_err(|_| format!("{remote}: {port:?} is no port"))?,
        ),
        None => (remote, PORT),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if host.is_empty() || !host.chars().all(allowed) {
        return Err(format!("{remote:?} is no address and no name"));
    }
    Ok(Remote::Name(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood() {
        let address = |text: &str| Ok(Remote::Address(text.parse().unwrap()));
        assert_eq!(split("10.0.0.7"), address("10.0.0.7:2377"));
        assert_eq!(split("10.0.0.7:99"), address("10.0.0.7:99"));
        assert_eq!(split("fd00::7"), address("[fd00::7]:2377"));
        assert_eq!(split("[fd00::7]"), address("[fd00::7]:2377"));
        assert_eq!(split("[fd00::7]:99"), address("[fd00::7]:99"));
        assert_eq!(split("pi.example"), Ok(Remote::Name("pi.example", 2377)));
        assert_eq!(split("pi.example:99"), Ok(Remote::Name("pi.example", 99)));
        for nonsense in [
            "",
            ":2377",
            "pi:port",
            "pi:70000",
            "a b",
            "fd00::7:x",
            "http://pi",
        ] {
            assert!(split(nonsense).is_err(), "{nonsense}");
        }
    }

    #[tokio::test]
    async fn a_name_of_the_hosts_file_is_found() {
        let found = resolve("localhost:99").await.unwrap();
        assert!(
            found.iter().all(|address| address.ip().is_loopback()),
            "{found:?}"
        );
        assert!(found.contains(&"127.0.0.1:99".parse().unwrap()), "{found:?}");
    }
}
