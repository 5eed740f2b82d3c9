//! The judge: does Bramble answer the docker command as Docker Engine does?
//!
//! `recorded/` holds what the docker command asked of Docker Engine 20.10, what it was answered and what it printed, in two
//! sessions. The suite types the same commands on a lab, listens in on the socket, and compares exit codes, printed text, the
//! requests with their status codes, and the shape of every JSON body. Every difference must be listed in `differences.md` with
//! its reason, and every listed one must still be there: the list says where Bramble differs from Docker, and it is true.
//!
//! ```text
//!  recorded/*.jsonl ─→ session ─────────────────────┐
//!                          │ commands               ├─→ compare ─→ listed (differences.md)
//!  docker command ─→ tap ─→ a board;   tap, printed ┘
//! ```

pub mod compare;
mod http;
pub mod listed;
pub mod printed;
pub mod replay;
pub mod session;
pub mod shape;
mod tap;
