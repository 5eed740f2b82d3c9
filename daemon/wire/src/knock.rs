//! Whether a board is there at all: asked of its kernel, which answers also while its programs are busy or gone.

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// So many packets must be lost in a row, or their answers, for a board to be taken for gone by mistake. The kernel itself
/// would send a lost one again only after a second.
const KNOCKS: u32 = 4;
/// Between two of them.
const APART: Duration = Duration::from_millis(150);
/// No answer within this time is none: on a LAN it takes a millisecond, on a sleepy Wi-Fi a few hundred.
const PATIENCE: Duration = Duration::from_millis(750);

/// True if anybody is at this address. A refusal is an answer too.
pub async fn knock(address: SocketAddr) -> bool {
    let one = |number: u32| async move {
        tokio::time::sleep(APART * number).await;
        answers(address).await
    };
    let mut knocks: FuturesUnordered<_> = (0..KNOCKS).map(one).collect();
    let any = async {
        while let Some(answers) = knocks.next().await {
            if answers {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(PATIENCE, any).await.unwrap_or(false)
}

async fn answers(address: SocketAddr) -> bool {
    match TcpStream::connect(address).await {
        Ok(_) => true,
        Err(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_is_an_answer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(knock(address).await);
        drop(listener);
        assert!(knock(address).await);
        // TCP has no broadcast: the kernel refuses without sending anything.
        assert!(!knock("255.255.255.255:9".parse().unwrap()).await);
    }
}
