//! A socket between the docker command and a board that hears everything.

use crate::http::{self, Answer, Request};
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What was heard on one connection: what the client sent, and what the board did.
#[derive(Default)]
struct Heard {
    sent: Mutex<Vec<u8>>,
    said: Mutex<Vec<u8>>,
}

type Connections = Arc<Mutex<Vec<(Arc<Heard>, std::thread::JoinHandle<()>)>>>;

/// Listens on a socket of its own and passes everything on. Its threads end with the connections.
pub(crate) struct Tap {
    socket: PathBuf,
    connections: Connections,
}

impl Tap {
    /// Between `socket`, which must not be there yet, and `board`.
    pub fn start(socket: &Path, board: &Path) -> Result<Self> {
        let listener =
            UnixListener::bind(socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
        let connections = Connections::default();
        let (known, board) = (Arc::clone(&connections), board.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&board) else {
                    continue;
                };
                let heard = Arc::new(Heard::default());
                let mine = Arc::clone(&heard);
                // Held until it is noted, so that nobody who asks for what was heard misses it.
                let mut known = lock(&known);
                known.push((heard, std::thread::spawn(move || pass(&client, &server, &mine))));
            }
        });
        Ok(Self {
            socket: socket.to_owned(),
            connections,
        })
    }

    /// For `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// All that was asked and answered since the last call. The clients must have ended.
    pub fn heard(&self) -> Result<Vec<(Request, Option<Answer>)>> {
        let connections = std::mem::take(&mut *lock(&self.connections));
        let mut all = Vec::new();
        for (heard, thread) in connections {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a listener panicked"))?;
            let requests = http::requests(&lock(&heard.sent))?;
            let mut answers = http::answers(&lock(&heard.said), &requests)?.into_iter();
            all.extend(requests.into_iter().map(|request| (request, answers.next())));
        }
        Ok(all)
    }
}

fn pass(client: &UnixStream, server: &UnixStream, heard: &Heard) {
    std::thread::scope(|scope| {
        scope.spawn(|| copy(client, server, &heard.sent));
        copy(server, client, &heard.said);
        // The board has hung up, so nobody waits for what the client still says.
        let _ = client.shutdown(Shutdown::Both);
    });
}

fn copy(mut from: &UnixStream, mut to: &UnixStream, heard: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        lock(heard).extend_from_slice(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // Both fail only if the other end is gone.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
