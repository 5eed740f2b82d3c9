//! Asking to be let in: the joiner's end of the membership service.

use crate::board::Board;
use crate::uplink::Links;
use agent::Uplink as _;
use anyhow::{Context as _, anyhow, bail};
use model::Availability;
use pki::{Clock, Digest, Identity, JoinKey, Side, Token};
use std::net::SocketAddr;
use std::time::Duration;
use wire::LEADER_HEADER;
use wire::proto::membership_client::MembershipClient;
use wire::proto::{JoinCall, Manager, PromiseCall, RenewCall};

/// For a connection and a handshake.
const DIAL: Duration = Duration::from_secs(3);
/// For an answer: a founder may be busy with its first write.
const ANSWER: Duration = Duration::from_secs(10);

/// How the board shows that it may come in.
#[derive(Clone)]
pub enum Pass {
    /// By the key on its card.
    Card {
        /// The cluster's name on the card.
        cluster: String,
        /// The key.
        key: JoinKey,
    },
    /// By a token that a person typed.
    Token(Token),
}

/// Who asks.
#[derive(Clone)]
pub struct Asker {
    /// The board.
    pub board: Board,
    /// Its host name.
    pub hostname: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Tells the time.
    pub clock: Clock,
}

/// What a board that was let in has.
pub struct Joined {
    /// Its identity.
    pub identity: Identity,
    /// Where the managers are.
    pub managers: Vec<Manager>,
}

/// A refusal that trying elsewhere or later does not change.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Asks the managers at `addresses` in turn; follows one that says who leads.
///
/// # Errors
/// [`Refused`] if a manager said no; else why none could be reached.
pub async fn join(
    asker: &Asker,
    pass: &Pass,
    availability: Availability,
    addresses: &[SocketAddr],
) -> anyhow::Result<Joined> {
    let mut last = anyhow!("no manager's address is known");
    for address in addresses {
        let mut at = *address;
        for _ in 0..3 {
            match ask(asker, pass, availability, at).await {
                Ok(joined) => return Ok(joined),
                Err(Answer::Elsewhere(leader)) if leader != at => at = leader,
                Err(Answer::Elsewhere(_)) => break,
                Err(Answer::No(error)) => return Err(error),
                Err(Answer::Later(error)) => {
                    last = error;
                    break;
                }
            }
        }
    }
    Err(last)
}

enum Answer {
    Elsewhere(SocketAddr),
    No(anyhow::Error),
    Later(anyhow::Error),
}

impl From<anyhow::Error> for Answer {
    fn from(error: anyhow::Error) -> Self {
        Self::Later(error)
    }
}

async fn ask(
    asker: &Asker,
    pass: &Pass,
    availability: Availability,
    at: SocketAddr,
) -> Result<Joined, Answer> {
    let pin = match pass {
        Pass::Token(token) => Some(token.digest()),
        Pass::Card { .. } => None,
    };
    let dialed = dial(asker, pin, at).await?;
    let (key, csr) = pki::new_key().context("making a key")?;
    let mut call = JoinCall {
        csr,
        board: asker.board.key.clone(),
        hostname: asker.hostname.clone(),
        listen: asker.listen.to_string(),
        availability: serde_json::to_value(availability)
            .ok()
            .and_then(|v| Some(v.as_str()?.to_owned()))
            .unwrap_or_default(),
        ..JoinCall::default()
    };
    match pass {
        Pass::Token(token) => call.token = token.reveal(),
        Pass::Card { cluster, key } => {
            let context = manager::context(cluster, &asker.board.key);
            call.cluster.clone_from(cluster);
            call.proof = pki::proof(key, &dialed.exporter, Side::Joiner, &context)
                .to_vec()
                .into();
        }
    }
    let mut client = MembershipClient::new(dialed.channel);
    let answered = tokio::time::timeout(ANSWER, client.join(call))
        .await
        .map_err(|_| anyhow!("{at} took too long"))?;
    let reply = answered.map_err(read_refusal)?.into_inner();
    if let Pass::Card { cluster, key } = pass {
        let context = manager::context(cluster, &asker.board.key);
        if !pki::verify(key, &dialed.exporter, Side::Member, &context, &reply.proof) {
            return Err(Answer::No(
                Refused(format!("{at} does not hold the join key: it is not trusted")).into(),
            ));
        }
    }
    if let Pass::Token(token) = pass
        && !token.is_for(&reply.ca)
    {
        return Err(Answer::No(
            Refused("the certificate authority is not the token's".to_owned()).into(),
        ));
    }
    let identity =
        Identity::new(&reply.certificate, &key, &reply.ca).context("the certificate that was issued")?;
    Ok(Joined {
        identity,
        managers: reply.managers,
    })
}

fn read_refusal(status: tonic::Status) -> Answer {
    let leader = status
        .metadata()
        .get(LEADER_HEADER)
        .and_then(|at| at.to_str().ok()?.parse().ok());
    match (leader, status.code()) {
        (Some(leader), _) => Answer::Elsewhere(leader),
        (
            None,
            tonic::Code::PermissionDenied | tonic::Code::InvalidArgument | tonic::Code::Unauthenticated,
        ) => Answer::No(Refused(status.message().to_owned()).into()),
        (None, _) => Answer::Later(anyhow!("{}", status.message())),
    }
}

async fn dial(asker: &Asker, pin: Option<Digest>, at: SocketAddr) -> anyhow::Result<wire::Dialed> {
    let config =
        pki::tls::bootstrap_client_config(pin, &asker.clock, &[wire::ALPN]).context("TLS settings")?;
    Ok(wire::dial(at, config, &asker.clock, DIAL).await?)
}

/// Asks another board for its promise; `Ok(Err(board))` if it has promised itself to another.
///
/// # Errors
/// If it can't be reached, has another key, or is in a cluster already.
pub async fn ask_promise(
    asker: &Asker,
    cluster: &str,
    key: &JoinKey,
    at: SocketAddr,
) -> anyhow::Result<Result<(), String>> {
    let dialed = dial(asker, None, at).await?;
    let context = manager::context(cluster, &asker.board.key);
    let proof = pki::proof(key, &dialed.exporter, Side::Joiner, &context)
        .to_vec()
        .into();
    let call = PromiseCall {
        cluster: cluster.to_owned(),
        board: asker.board.key.clone(),
        proof,
    };
    let mut client = MembershipClient::new(dialed.channel);
    let reply = tokio::time::timeout(DIAL, client.promise(call))
        .await
        .context("no answer")??
        .into_inner();
    if !pki::verify(key, &dialed.exporter, Side::Member, &context, &reply.proof) {
        bail!("{at} does not hold the join key");
    }
    Ok(if reply.granted {
        Ok(())
    } else {
        Err(reply.promised)
    })
}

/// A new certificate for a member, for the role that it is to have. Also one whose certificate has lapsed, and which so has
/// no session, finds the leader: any manager says who leads.
///
/// # Errors
/// If the leader can't be reached or says no.
pub async fn renew(uplink: &Links) -> anyhow::Result<Identity> {
    let (key, csr) = pki::new_key().context("making a key")?;
    let mut hint = None;
    for _ in 0..4 {
        let channel = uplink.connect(hint).await.map_err(|error| anyhow!(error))?;
        let mut client = MembershipClient::new(channel);
        let call = RenewCall { csr: csr.clone() };
        let answered = tokio::time::timeout(ANSWER, client.renew(call))
            .await
            .context("no answer")?;
        let reply = match answered.map_err(read_refusal) {
            Ok(reply) => reply.into_inner(),
            Err(Answer::Elsewhere(leader)) => {
                hint = Some(leader);
                continue;
            }
            Err(Answer::No(error) | Answer::Later(error)) => return Err(error),
        };
        return Identity::new(&reply.certificate, &key, &reply.ca).context("the certificate that was issued");
    }
    bail!("the managers do not agree on who leads")
}
