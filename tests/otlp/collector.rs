//! A collector: takes what is posted to it, and reads OTLP's protobuf without the code that wrote it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Heads and bodies.
type Received = Mutex<Vec<(String, Vec<u8>)>>;

/// Listens until the process ends.
pub(super) struct Collector {
    address: String,
    received: Arc<Received>,
}

#[derive(Debug)]
pub(super) struct Span {
    pub(super) name: String,
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: String,
    /// Nanoseconds since 1970.
    pub(super) begun: u64,
    pub(super) ended: u64,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) resource: BTreeMap<String, String>,
}

impl Collector {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let received = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let sink = Arc::clone(&sink);
                std::thread::spawn(move || while take(stream.as_ref().unwrap(), &sink) {});
            }
        });
        Self { address, received }
    }

    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    pub(super) fn heads(&self) -> Vec<String> {
        self.received.lock().unwrap().iter().map(|(head, _)| head.clone()).collect()
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        self.received.lock().unwrap().iter().flat_map(|(_, body)| read(body)).collect()
    }
}

/// One request; whether there may be more. It is kept before it is answered: whoever is answered can rely on it.
fn take(stream: &TcpStream, sink: &Received) -> bool {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or_default() == 0 {
            return false;
        }
    }
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    let head = head.to_lowercase();
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    sink.lock().unwrap().push((head, body));
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_ok()
}

/// What a field of a message holds.
#[derive(Clone, Copy)]
enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, by number.
struct Message<'a>(Vec<(u64, Content<'a>)>);

impl<'a> Message<'a> {
    fn read(mut rest: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let key = varint(&mut rest);
            let content = match key & 7 {
                0 => Content::Number(varint(&mut rest)),
                1 => Content::Number(u64::from_le_bytes(split(&mut rest, 8).try_into().unwrap())),
                2 => {
                    let length = usize::try_from(varint(&mut rest)).unwrap();
                    Content::Bytes(split(&mut rest, length))
                }
                5 => Content::Number(u32::from_le_bytes(split(&mut rest, 4).try_into().unwrap()).into()),
                other => panic!("wire type {other}"),
            };
            fields.push((key >> 3, content));
        }
        Self(fields)
    }

    fn all(&self, number: u64) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter_map(move |(found, content)| match content {
            Content::Bytes(bytes) if *found == number => Some(*bytes),
            _ => None,
        })
    }

    fn bytes(&self, number: u64) -> &'a [u8] {
        self.all(number).next().unwrap_or_default()
    }

    fn text(&self, number: u64) -> String {
        String::from_utf8(self.bytes(number).to_vec()).unwrap()
    }

    fn hex(&self, number: u64) -> String {
        self.bytes(number).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn number(&self, number: u64) -> u64 {
        let found = self.0.iter().find_map(|(found, content)| match content {
            Content::Number(value) if *found == number => Some(*value),
            _ => None,
        });
        found.unwrap_or_default()
    }

    /// Key-value pairs, values as text.
    fn pairs(&self, number: u64) -> BTreeMap<String, String> {
        let pair = |bytes| {
            let pair = Message::read(bytes);
            let value = match Message::read(pair.bytes(2)).0.first() {
                Some((1, Content::Bytes(text))) => String::from_utf8(text.to_vec()).unwrap(),
                Some((2, Content::Number(truth))) => (*truth == 1).to_string(),
                Some((_, Content::Number(number))) => number.to_string(),
                _ => String::new(),
            };
            (pair.text(1), value)
        };
        self.all(number).map(pair).collect()
    }
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = split(rest, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn split<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(length);
    *rest = left;
    taken
}

/// `ExportTraceServiceRequest`, as opentelemetry-proto numbers its fields.
fn read(body: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_resource in Message::read(body).all(1).map(Message::read) {
        let resource = Message::read(of_resource.bytes(1)).pairs(1);
        for of_scope in of_resource.all(2).map(Message::read) {
            spans.extend(of_scope.all(2).map(Message::read).map(|span| Span {
                name: span.text(5),
                trace: span.hex(1),
                id: span.hex(2),
                parent: span.hex(4),
                begun: span.number(7),
                ended: span.number(8),
                attributes: span.pairs(9),
                resource: resource.clone(),
            }));
        }
    }
    spans
}
