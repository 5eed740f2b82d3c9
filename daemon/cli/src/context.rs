//! `bramble context`: client certificates in bundles, listed, taken back.

use crate::bundle::Bundle;
use crate::door::Door;
use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use http::Method;
use model::{AccessRole, Grant, Hidden};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Docker's port for TLS.
const PORT: u16 = 2376;

pub(crate) const EXAMPLES: &str = "\
Examples:
  bramble context create                                       all rights, for a year, in bramble.dockercontext
  bramble context create --role deploy --name ci --days 30     may deploy services and stacks, in ci.dockercontext
  bramble context ls
  bramble context revoke 5c0ffee5

On one's own computer, with the file:
  docker context import home bramble.dockercontext
  docker --context home node ls

Roles:
  view     looks at everything but secrets, tokens and keys
  deploy   also makes, changes and removes services, networks, secrets and configs
  admin    everything";

/// What can be done with contexts.
#[derive(Subcommand)]
pub enum Context {
    /// Makes a client certificate and writes it into a file for `docker context import`.
    Create {
        /// What its holder may do.
        #[arg(long, value_enum, default_value_t = Role::Admin)]
        role: Role,
        /// Whom or what it is for.
        #[arg(long, default_value = "bramble")]
        name: String,
        /// How long it is good.
        #[arg(long, default_value_t = 365)]
        days: u64,
        /// Where the board is reached, HOST[:PORT]; this board's own address if absent.
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
        /// The file to write, which must not be there yet ("-": standard output); NAME.dockercontext if absent.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Lists certificates that have not lapsed.
    Ls,
    /// Takes a certificate back at once.
    Revoke {
        /// Its id, or the beginning of it.
        id: String,
    },
}

/// What the holder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Looks at everything but secrets, tokens and keys.
    View,
    /// Also makes, changes and removes services and what stacks are made of.
    Deploy,
    /// Everything.
    Admin,
}

impl From<Role> for AccessRole {
    fn from(role: Role) -> Self {
        match role {
            Role::View => Self::View,
            Role::Deploy => Self::Deploy,
            Role::Admin => Self::Admin,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Made {
    grant: Grant,
    root: String,
    certificate: String,
    key: Hidden<String>,
}

pub(crate) async fn run(command: Context, door: &Door) -> anyhow::Result<()> {
    match command {
        Context::Create {
            role,
            name,
            days,
            host,
            output,
        } => {
            let output = output.unwrap_or_else(|| format!("{}.dockercontext", plain(&name)).into());
            // Before a certificate is made that nobody would have.
            let mut file = open(&output)?;
            let made = create(door, role.into(), &name, days, host.as_deref(), &mut file).await;
            if made.is_err() && output != Path::new("-") {
                let _ = std::fs::remove_file(&output);
            }
            let grant = made?;
            eprintln!(
                "{}: certificate {} for {}, role {}, until {}",
                output.display(),
                grant.id,
                grant.name,
                grant.role,
                grant.expires_at
            );
            eprintln!(
                "Take it to your computer: docker context import NAME {}",
                output.display()
            );
            Ok(())
        }
        Context::Ls => list(door).await,
        Context::Revoke { id } => {
            let usable = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
            if !usable {
                bail!("\"{id}\" is not the id of a certificate: see bramble context ls");
            }
            door.ask(Method::DELETE, &format!("/bramble/contexts/{id}"), None)
                .await?;
            println!("{id}");
            Ok(())
        }
    }
}

fn open(output: &Path) -> anyhow::Result<Box<dyn std::io::Write>> {
    if output == Path::new("-") {
        return Ok(Box::new(std::io::stdout()));
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(output)
        .with_context(|| format!("writing {}", output.display()))?;
    Ok(Box::new(file))
}

async fn create(
    door: &Door,
    role: AccessRole,
    name: &str,
    days: u64,
    host: Option<&str>,
    into: &mut dyn std::io::Write,
) -> anyhow::Result<Grant> {
    let host = match host {
        Some(host) => url(host)?,
        None => own(door).await?,
    };
    let wanted = json!({ "Name": name, "Role": role, "Days": days });
    let made: Made = door.json(Method::POST, "/bramble/contexts", Some(wanted)).await?;
    let bundle = Bundle {
        name,
        description: &format!("Bramble, role {role}, until {}", made.grant.expires_at),
        host: &host,
        root: &made.root,
        certificate: &made.certificate,
        key: made.key.reveal(),
    };
    bundle.write(into).context("writing the bundle")?;
    Ok(made.grant)
}

/// Where this board is reached.
async fn own(door: &Door) -> anyhow::Result<String> {
    let info: Value = door.json(Method::GET, "/info", None).await?;
    match info["Swarm"]["NodeAddr"].as_str() {
        Some(address) if !address.is_empty() => url(address),
        _ => bail!(
            "this board is in no cluster yet: say where it is reached (--host), after docker swarm init or join"
        ),
    }
}

/// `tcp://HOST:PORT` of a host name or address, with or without a port.
fn url(host: &str) -> anyhow::Result<String> {
    let host = host.strip_prefix("tcp://").unwrap_or(host);
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(format!("tcp://{}", std::net::SocketAddr::new(address, PORT)));
    }
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let port = match port {
        "" => PORT,
        port => port
            .parse()
            .with_context(|| format!("--host {host}: not a port"))?,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    if name.is_empty() || !name.chars().all(is_name) {
        bail!("--host {host}: a host name or an address, and a port perhaps");
    }
    Ok(format!("tcp://{name}:{port}"))
}

fn plain(name: &str) -> String {
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    name.trim_start_matches('.').chars().map(keep).collect()
}

async fn list(door: &Door) -> anyhow::Result<()> {
    let grants: Vec<Grant> = door.json(Method::GET, "/bramble/contexts", None).await?;
    let width = grants.iter().map(|grant| grant.name.chars().count()).max();
    let width = width.unwrap_or_default().max(4);
    println!(
        "{:<16}  {:<width$}  {:<6}  {:<20}  STATUS",
        "ID", "NAME", "ROLE", "EXPIRES"
    );
    for grant in grants {
        let status = if grant.revoked { "revoked" } else { "good" };
        println!(
            "{:<16}  {:<width$}  {:<6}  {:<20}  {status}",
            grant.id,
            grant.name,
            grant.role.as_str(),
            grant.expires_at.to_string(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_becomes_a_url() {
        for (host, wanted) in [
            ("10.0.0.1", "tcp://10.0.0.1:2376"),
            ("tcp://kitchen:99", "tcp://kitchen:99"),
            ("kitchen.local", "tcp://kitchen.local:2376"),
            ("fd00::1", "tcp://[fd00::1]:2376"),
            ("[fd00::1]:99", "tcp://[fd00::1]:99"),
        ] {
            assert_eq!(url(host).unwrap(), wanted);
        }
        for host in ["", ":1", "a b", "kitchen:port", "kitchen:99999"] {
            assert!(url(host).is_err(), "{host}");
        }
    }
}
