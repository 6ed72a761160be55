//! Base64 as Go's encoding/base64 reads and writes it: line breaks are skipped, spare bits at the end are ignored.

/// Which of the two alphabets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    Standard,
    Url,
}

/// Encodes with padding.
pub(super) fn encode(bytes: &[u8], alphabet: Alphabet) -> String {
    let mut text = encode_without_padding(bytes, alphabet);
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

pub(super) fn encode_without_padding(bytes: &[u8], alphabet: Alphabet) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for position in 0..=chunk.len() {
            text.push(digit((group >> (18 - 6 * position) & 63) as u8, alphabet));
        }
    }
    text
}

/// Decodes text with padding; the error is the place of the first character that does not fit.
pub(super) fn decode(text: &str, alphabet: Alphabet) -> Result<Vec<u8>, usize> {
    let is_digit = |byte: u8| value(byte, alphabet).is_some();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut count, mut padding) = (0_u32, 0_u32, 0_u32);
    for (place, byte) in text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n')) {
        let is_padding = byte == b'=' && count >= 2 && count + padding < 4;
        if is_padding {
            padding += 1;
            continue;
        }
        if padding > 0 || !is_digit(byte) {
            return Err(place);
        }
        group = group << 6 | u32::from(value(byte, alphabet).unwrap_or_default());
        count += 1;
        if count == 4 {
            bytes.extend([(group >> 16) as u8, (group >> 8) as u8, group as u8]);
            (group, count) = (0, 0);
        }
    }
    match (count, padding) {
        (0, 0) => {}
        (2, 2) => bytes.push((group >> 4) as u8),
        (3, 1) => bytes.extend([(group >> 10) as u8, (group >> 2) as u8]),
        _ => return Err(text.len()),
    }
    Ok(bytes)
}

/// Decodes text of the URL alphabet whose padding may be missing.
pub(super) fn decode_url(text: &str) -> Result<Vec<u8>, usize> {
    if text.ends_with('=') {
        return decode(text, Alphabet::Url);
    }
    match text.len() % 4 {
        0 => decode(text, Alphabet::Url),
        2 => decode(&format!("{text}=="), Alphabet::Url),
        3 => decode(&format!("{text}="), Alphabet::Url),
        _ => Err(text.len()),
    }
}

fn digit(value: u8, alphabet: Alphabet) -> char {
    char::from(match (value, alphabet) {
        (0..26, _) => b'A' + value,
        (26..52, _) => b'a' + (value - 26),
        (52..62, _) => b'0' + (value - 52),
        (62, Alphabet::Standard) => b'+',
        (62, Alphabet::Url) => b'-',
        (_, Alphabet::Standard) => b'/',
        (_, Alphabet::Url) => b'_',
    })
}

fn value(byte: u8, alphabet: Alphabet) -> Option<u8> {
    Some(match (byte, alphabet) {
        (b'A'..=b'Z', _) => byte - b'A',
        (b'a'..=b'z', _) => byte - b'a' + 26,
        (b'0'..=b'9', _) => byte - b'0' + 52,
        (b'+', Alphabet::Standard) | (b'-', Alphabet::Url) => 62,
        (b'/', Alphabet::Standard) | (b'_', Alphabet::Url) => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_can_be_decoded() {
        for length in 0..20_u8 {
            let bytes: Vec<u8> = (0..length).map(|index| index.wrapping_mul(73).wrapping_add(length)).collect();
            for alphabet in [Alphabet::Standard, Alphabet::Url] {
                assert_eq!(decode(&encode(&bytes, alphabet), alphabet), Ok(bytes.clone()));
            }
            assert_eq!(decode_url(&encode_without_padding(&bytes, Alphabet::Url)), Ok(bytes));
        }
    }

    #[test]
    fn faults_are_found() {
        let check =
            |text: &str, is_valid: bool| assert_eq!(decode(text, Alphabet::Standard).is_ok(), is_valid, "{text:?}");
        check("YQ==", true);
        check("YQ=\n=", true);
        check("Y\r\nQ==", true);
        check("YR==", true);
        check("YQ", false);
        check("YQ=", false);
        check("Y===", false);
        check("YQ==YQ==", false);
        check("YWI=x", false);
        check("YWJj=", false);
        check("-_-_", false);
    }
}
