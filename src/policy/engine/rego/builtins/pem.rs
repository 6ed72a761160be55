//! PEM as Go's encoding/pem reads it: text around blocks is skipped, and so are blocks that are broken.

use super::base64::{Alphabet, decode as decode_base64};

const END: &[u8] = b"\n-----END ";
const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// What stands after BEGIN.
    pub(super) kind: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

/// The first good block, and what follows it. `None` when there is none.
pub(super) fn decode(data: &[u8]) -> Option<(Block, &[u8])> {
    let mut rest = data;
    loop {
        let end = find(rest, END)?;
        let after_end = rest.get(end + END.len()..)?;
        if let Some(found) = block_before(rest, end) {
            return Some(found);
        }
        rest = after_end;
    }
}

/// The block whose end marker is at `end`, begun by the last begin marker before it.
fn block_before(data: &[u8], end: usize) -> Option<(Block, &[u8])> {
    let begin = find_last(data.get(..end)?, BEGIN)?;
    if begin > 0 && data.get(begin - 1) != Some(&b'\n') {
        return None;
    }
    // The line break before END may be the one of the last header or of the BEGIN line.
    let mut start = begin + BEGIN.len();
    let (line, length) = line_of(data.get(start..)?);
    let kind = line.strip_suffix(DASHES)?;
    start += length;
    let mut has_headers = false;
    loop {
        let left = data.get(start..).filter(|left| !left.is_empty())?;
        let (line, length) = line_of(left);
        if !line.contains(&b':') {
            break;
        }
        has_headers = true;
        start += length;
    }
    if has_headers && start > end {
        return None;
    }
    let trailer = data.get(end + END.len()..)?;
    let trailer = trailer.strip_prefix(kind)?.strip_prefix(DASHES)?;
    if !line_of(trailer).0.is_empty() {
        return None;
    }
    let body: Vec<u8> =
        data.get(start..end).unwrap_or_default().iter().copied().filter(|byte| !matches!(byte, b' ' | b'\t')).collect();
    let bytes = decode_base64(std::str::from_utf8(&body).ok()?, Alphabet::Standard).ok()?;
    let (_, length) = line_of(trailer);
    Some((Block { kind: kind.to_vec(), bytes }, trailer.get(length..)?))
}

/// The first line without what ends it and without blanks at its end, and its length with them.
fn line_of(data: &[u8]) -> (&[u8], usize) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let length = end.map_or(data.len(), |end| end + 1);
    let mut line = data.get(..end.unwrap_or(data.len())).unwrap_or_default();
    if end.is_some() {
        line = line.strip_suffix(b"\r").unwrap_or(line);
    }
    while let [shorter @ .., b' ' | b'\t'] = line {
        line = shorter;
    }
    (line, length)
}

fn find(data: &[u8], part: &[u8]) -> Option<usize> {
    data.windows(part.len()).position(|window| window == part)
}

fn find_last(data: &[u8], part: &[u8]) -> Option<usize> {
    data.windows(part.len()).rposition(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_as_go_finds_them() {
        let check = |text: &str, expected: Option<(&str, &str, &str)>| {
            let found = decode(text.as_bytes());
            let found = found.map(|(block, rest)| {
                [block.kind, block.bytes, rest.to_vec()].map(|bytes| String::from_utf8(bytes).unwrap())
            });
            let expected = expected.map(|(kind, bytes, rest)| [kind, bytes, rest].map(str::to_owned));
            assert_eq!(found, expected, "{text:?}");
        };
        check("-----BEGIN A-----\nYWJj\n-----END A-----\nx", Some(("A", "abc", "x")));
        check("text\n-----BEGIN A-----\r\nYW\tJj\r\n-----END A-----  \r\n", Some(("A", "abc", "")));
        check("-----BEGIN A-----\nProc: x\n\nYWJj\n-----END A-----", Some(("A", "abc", "")));
        check("-----BEGIN A-----\n-----END A-----", Some(("A", "", "")));
        check("-----BEGIN A-----\nYWJj\n-----END B-----\n", None);
        check("-----BEGIN A-----\n*\n-----END A-----\n-----BEGIN B-----\nYQ==\n-----END B-----", Some(("B", "a", "")));
        check(" -----BEGIN A-----\nYWJj\n-----END A-----", None);
        check("-----BEGIN A-----\nYWJj-----END A-----", None);
        check("-----BEGIN A-----YWJj\n-----END A-----", None);
    }
}
