//! DNS messages: from bytes to a question, from what was found to bytes. Pure.
//!
//! What others are asked is passed on as it came, but for its number, and so is what they answer: nothing that this code does
//! not know is lost on the way.

use std::net::Ipv4Addr;

use hickory_proto::{
    op::{Edns, Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordType, rdata},
    serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder},
};

use super::zone::{Found, Zone};

/// How long an answer of ours may be kept, in seconds. Docker says 600, and callers go on to addresses that are nobody's any more.
const TTL: u32 = 2;
/// A message's fixed beginning, in bytes.
const HEADER: usize = 12;
/// What a datagram may hold if nothing else is said (RFC 1035, 4.2.1).
const SMALL: u16 = 512;
/// The longest datagram that is sent or taken, whatever a caller offers.
pub const LARGE: u16 = 4096;
/// The EDNS record at a message's end, in bytes.
const EDNS: usize = 11;
/// An address in an answer, in bytes: its name is a pointer to the question's.
const ADDRESS: usize = 16;
/// The most addresses in a datagram: beyond 120 hickory writes names out, and a hundred are plenty to choose from. All come by TCP.
const MANY: usize = 100;

/// What bytes turned out to be.
pub enum Read {
    /// Nothing that deserves an answer.
    Nonsense,
    /// A message to which only this can be said.
    Refused(Vec<u8>),
    /// A question.
    Asked(Box<Asked>),
}

/// One question.
#[derive(Debug)]
pub struct Asked {
    metadata: Metadata,
    query: Query,
    /// The largest datagram that the asker takes, if it speaks EDNS.
    payload: Option<u16>,
}

/// Understands a message that came in.
pub fn read(bytes: &[u8]) -> Read {
    // Counted before anything is made room for: a liar may claim 65535 questions.
    let Some([_, _, flags, _, high, low, ..]) = bytes.get(..HEADER) else {
        return Read::Nonsense;
    };
    let questions = u16::from_be_bytes([*high, *low]);
    if flags & 0x80 != 0 {
        // Answers to answers would go round for ever.
        return Read::Nonsense;
    }
    let Ok(Header { metadata, .. }) = Header::read(&mut BinDecoder::new(bytes)) else {
        return Read::Nonsense;
    };
    if metadata.op_code != OpCode::Query {
        return Read::Refused(plain(&metadata, ResponseCode::NotImp));
    }
    if questions != 1 {
        return Read::Refused(plain(&metadata, ResponseCode::FormErr));
    }
    let Ok(mut message) = Message::from_vec(bytes) else {
        return Read::Nonsense;
    };
    let Some(query) = message.queries.pop() else {
        return Read::Nonsense;
    };
    let asked = Asked {
        metadata,
        payload: message.edns.as_ref().map(Edns::max_payload),
        query,
    };
    if message.version() > 0 {
        return Read::Refused(asked.failed(ResponseCode::BADVERS, SMALL));
    }
    if asked.query.query_class != DNSClass::IN
        || matches!(asked.query.query_type, RecordType::AXFR | RecordType::IXFR)
    {
        return Read::Refused(asked.failed(ResponseCode::Refused, SMALL));
    }
    Read::Asked(Box::new(asked))
}

fn plain(metadata: &Metadata, code: ResponseCode) -> Vec<u8> {
    let mut message = Message::response(metadata.id, metadata.op_code);
    message.metadata.response_code = code;
    bytes(&message, SMALL)
}

fn bytes(message: &Message, limit: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(limit);
    match message.emit(&mut encoder) {
        Ok(()) => bytes,
        // Only a question longer than a datagram could do that, and names are 255 bytes long at most.
        Err(_) => Vec::new(),
    }
}

impl Asked {
    /// The longest datagram that the asker takes, in bytes.
    pub fn limit(&self) -> u16 {
        self.payload.unwrap_or(SMALL).clamp(SMALL, LARGE)
    }

    /// What the zone says; none if somebody else is to be asked. The addresses are turned on by `turn`, so that callers
    /// who take the first one go round.
    pub fn answer(&self, zone: &Zone<'_>, turn: usize, limit: u16) -> Option<Vec<u8>> {
        let found = match self.query.query_type {
            RecordType::PTR => match reversed(&self.query.name) {
                Some(address) => zone.reverse(address),
                None => Found::Foreign,
            },
            _ => text(&self.query.name).map_or(Found::Foreign, |name| zone.forward(&name)),
        };
        let mut message = self.response(ResponseCode::NoError);
        message.metadata.authoritative = true;
        match found {
            Found::Foreign => return None,
            Found::Nothing => message.metadata.response_code = ResponseCode::NXDomain,
            // Whoever asks for another kind (AAAA above all) must learn that the name exists, and look no further.
            Found::Addresses(_) if !self.is_for_addresses() => {}
            Found::Addresses(mut addresses) => {
                if !addresses.is_empty() {
                    let by = turn % addresses.len();
                    addresses.rotate_left(by);
                }
                message.answers = addresses
                    .into_iter()
                    .map(|address| self.record(RData::A(rdata::A(address))))
                    .collect();
            }
            Found::Name(name) => match Name::from_ascii(format!("{name}.")) {
                Ok(name) => message.answers = vec![self.record(RData::PTR(rdata::PTR(name)))],
                Err(_) => message.metadata.response_code = ResponseCode::NXDomain,
            },
        }
        fit(&mut message, limit);
        Some(bytes(&message, limit))
    }

    /// An answer without any content.
    pub fn failed(&self, code: ResponseCode, limit: u16) -> Vec<u8> {
        bytes(&self.response(code), limit)
    }

    /// Nobody could say.
    pub fn nobody_answers(&self) -> Vec<u8> {
        self.failed(ResponseCode::ServFail, SMALL)
    }

    /// The answer is longer than a datagram: the asker may come by TCP.
    pub fn too_long(&self) -> Vec<u8> {
        let mut message = self.response(ResponseCode::NoError);
        message.metadata.truncation = true;
        bytes(&message, SMALL)
    }

    fn response(&self, code: ResponseCode) -> Message {
        let mut message = Message::response(self.metadata.id, OpCode::Query);
        message.metadata = Metadata::response_from_request(&self.metadata);
        message.metadata.recursion_available = true;
        message.metadata.response_code = code;
        message.add_query(self.query.clone());
        if self.payload.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(LARGE);
            message.set_edns(edns);
        }
        message
    }

    fn record(&self, data: RData) -> Record {
        Record::from_rdata(self.query.name.clone(), TTL, data)
    }

    /// Whether bytes are an answer to this question under another number.
    pub fn is_answered_by(&self, number: u16, bytes: &[u8]) -> Option<Verdict> {
        let mut decoder = BinDecoder::new(bytes);
        let header = Header::read(&mut decoder).ok()?;
        if header.metadata.id != number || header.metadata.message_type != MessageType::Response {
            return None;
        }
        let verdict = match header.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Verdict::Final,
            _ => Verdict::Helpless,
        };
        // Who does not understand a question may not repeat it.
        if header.counts.queries == 0 {
            return (verdict == Verdict::Helpless).then_some(verdict);
        }
        let query = Query::read(&mut decoder).ok()?;
        (header.counts.queries == 1 && query == self.query).then_some(verdict)
    }

    /// Whether addresses are asked for.
    pub fn is_for_addresses(&self) -> bool {
        matches!(self.query.query_type, RecordType::A | RecordType::ANY)
    }

    /// The asker's own number.
    pub fn number(&self) -> u16 {
        self.metadata.id
    }
}

/// What an answer from somebody else is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is so.
    Final,
    /// Another one may know more.
    Helpless,
}

/// Leaves out the addresses that a datagram has no room for, and says so: beside the rest the EDNS record must find its place.
fn fit(message: &mut Message, limit: u16) {
    let question: usize = message.queries.iter().map(|query| query.name.len() + 2 + 4).sum();
    let room = match limit {
        ..=LARGE => (usize::from(limit).saturating_sub(HEADER + question + EDNS) / ADDRESS).min(MANY),
        _ => usize::MAX,
    };
    if message.answers.len() > room {
        message.answers.truncate(room);
        message.metadata.truncation = true;
    }
}

/// The same message under another number.
pub fn renumbered(bytes: &[u8], number: u16) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    if let Some(place) = copy.get_mut(..2) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    copy
}

/// A name as text, without the dot at its end. None if a label holds what no name of ours can: a dot, or bytes that are no text.
fn text(name: &Name) -> Option<String> {
    let mut all = String::new();
    for label in name.iter() {
        let label = std::str::from_utf8(label).ok()?;
        if label.contains('.') {
            return None;
        }
        if !all.is_empty() {
            all.push('.');
        }
        all.push_str(label);
    }
    (!all.is_empty()).then_some(all)
}

/// The address that a name below `in-addr.arpa` stands for.
fn reversed(name: &Name) -> Option<Ipv4Addr> {
    let text = text(name)?.to_ascii_lowercase();
    let mut octets: Vec<&str> = text.strip_suffix(".in-addr.arpa")?.split('.').collect();
    octets.reverse();
    octets.join(".").parse().ok()
}
