//! A web server for the lab's images: who answers, and whom it sees. Standard library only, so that one run of rustc makes it.
//!
//! ```text
//! GET /            this host's name, and the address that the request came from, a line each
//! GET /bytes/N     N bytes
//! ```
//! Connections stay open for further requests (HTTP/1.1). At SIGTERM it behaves as a well-made server does: it takes no new
//! connection from that moment on, answers what still comes on the open ones, telling that they end, and ends itself when all
//! have, or after eight seconds. UDP datagrams to the same port are answered with the same two lines.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

static ENDING: AtomicBool = AtomicBool::new(false);
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// As many connections as are served at once.
const MOST: usize = 2000;

unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn shutdown(socket: i32, how: i32) -> i32;
}

extern "C" fn end(_: i32) {
    ENDING.store(true, Ordering::SeqCst);
}

fn main() {
    // SAFETY: both handlers only store to an atomic.
    unsafe {
        signal(15, end);
        signal(2, end);
    }
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(80);
    let listener = TcpListener::bind(("0.0.0.0", port)).expect("a port to listen at");
    let socket = listener.as_raw_fd();
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: &'static str = Box::leak(name.trim().to_owned().into_boxed_str());
    if let Ok(datagrams) = UdpSocket::bind(("0.0.0.0", port)) {
        thread::spawn(move || answer_datagrams(&datagrams, name));
    }
    println!("{name}: serving on port {port}");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { break };
            if OPEN.load(Ordering::SeqCst) < MOST {
                OPEN.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    let _ = serve(&stream, name);
                    OPEN.fetch_sub(1, Ordering::SeqCst);
                });
            }
        }
        // Held until the process ends: the socket is already shut.
        std::mem::forget(listener);
    });
    while !ENDING.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(10));
    }
    // SAFETY: the socket lives as long as the process; shutting it makes the kernel refuse whoever comes.
    unsafe { shutdown(socket, 0) };
    for _ in 0..800 {
        if OPEN.load(Ordering::SeqCst) == 0 {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn answer_datagrams(socket: &UdpSocket, name: &str) {
    let mut buffer = [0; 2048];
    while let Ok((_, from)) = socket.recv_from(&mut buffer) {
        let _ = socket.send_to(format!("{name}\n{}\n", from.ip()).as_bytes(), from);
    }
}

fn serve(stream: &TcpStream, name: &str) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let from = stream.peer_addr()?.ip();
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.by_ref().take(8192).read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut keep = first.ends_with("HTTP/1.1\r\n");
        loop {
            let mut line = String::new();
            if reader.by_ref().take(8192).read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            keep &= !line.to_ascii_lowercase().starts_with("connection: close");
        }
        keep &= !ENDING.load(Ordering::SeqCst);
        let path = first.split(' ').nth(1).unwrap_or("/");
        let bytes = path.strip_prefix("/bytes/").and_then(|count| count.parse::<usize>().ok());
        let text = format!("{name}\n{from}\n");
        let length = bytes.unwrap_or(text.len());
        let connection = if keep { "keep-alive" } else { "close" };
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n").into_bytes();
        if bytes.is_none() {
            answer.extend(text.as_bytes());
        }
        let mut writer = stream;
        writer.write_all(&answer)?;
        let mut left = bytes.unwrap_or(0);
        let piece = [b'x'; 65536];
        while left > 0 {
            let now = left.min(piece.len());
            writer.write_all(&piece[..now])?;
            left -= now;
        }
        if !keep {
            return Ok(());
        }
    }
}
