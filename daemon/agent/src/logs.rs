//! Lines of this node's tasks, for wishes of the leader's.

use crate::board::Inner;
use exec::{LogLine, LogWish, Source};
use futures::StreamExt as _;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use wire::proto::{FromNode, Line, Lines, LinesEnd, LinesWanted, from_node};

/// Wishes answered at the same time; one more is refused in words.
const MOST: usize = 64;
/// Lines and bytes of one message.
const LINES: usize = 128;
const BYTES: usize = 64 << 10;

/// Wishes being answered; all end with it.
pub(crate) struct Tellers {
    inner: Arc<Inner>,
    out: mpsc::Sender<FromNode>,
    running: HashMap<u64, AbortHandle>,
}

impl Drop for Tellers {
    fn drop(&mut self) {
        self.running.values().for_each(AbortHandle::abort);
    }
}

impl Tellers {
    pub fn new(inner: Arc<Inner>, out: mpsc::Sender<FromNode>) -> Self {
        Self {
            inner,
            out,
            running: HashMap::new(),
        }
    }

    pub fn begin(&mut self, wanted: LinesWanted) {
        self.running.retain(|_, teller| !teller.is_finished());
        let (id, out, inner) = (wanted.wish, self.out.clone(), self.inner.clone());
        let busy = self.running.len() >= MOST;
        let teller = tokio::spawn(async move {
            let error = match busy {
                true => "too many readers of logs on this node".to_owned(),
                false => tell(&inner, wanted, &out).await.err().unwrap_or_default(),
            };
            let _ = out
                .send(message(from_node::Message::LinesEnd(LinesEnd {
                    wish: id,
                    error,
                })))
                .await;
        });
        self.running.insert(id, teller.abort_handle());
    }

    pub fn end(&mut self, wish: u64) {
        if let Some(teller) = self.running.remove(&wish) {
            teller.abort();
        }
    }
}

fn message(message: from_node::Message) -> FromNode {
    FromNode {
        message: Some(message),
    }
}

async fn tell(inner: &Inner, wanted: LinesWanted, out: &mpsc::Sender<FromNode>) -> Result<(), String> {
    let wish = LogWish {
        tasks: wanted.tasks.into_iter().map(Into::into).collect(),
        stdout: wanted.stdout,
        stderr: wanted.stderr,
        follow: wanted.follow,
        tail: u64::try_from(wanted.tail).ok(),
        since: wanted.since.parse().ok(),
        until: wanted.until.parse().ok(),
    };
    let text = |error: exec::Error| error.to_string();
    let mut stream = inner.executor.logs(wish).await.map_err(text)?.ready_chunks(LINES);
    while let Some(chunk) = stream.next().await {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for line in chunk {
            let line = line.map_err(text)?;
            bytes += line.data.len();
            batch.push(encode(line));
            if bytes >= BYTES {
                send(out, wanted.wish, std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            send(out, wanted.wish, batch).await?;
        }
    }
    Ok(())
}

async fn send(out: &mpsc::Sender<FromNode>, wish: u64, lines: Vec<Line>) -> Result<(), String> {
    let lines = message(from_node::Message::Lines(Lines { wish, lines }));
    out.send(lines)
        .await
        .map_err(|_| "the session is over".to_owned())
}

fn encode(line: LogLine) -> Line {
    Line {
        task: line.task.to_string(),
        stderr: line.source == Source::Stderr,
        at: line.at.to_string(),
        data: line.data,
    }
}
