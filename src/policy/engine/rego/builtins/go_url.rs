//! URLs as Go's net/url takes them apart and puts them together.
//!
//! As in OPA's build, only what follows the last colon of a host has to be a port.

use std::net::Ipv6Addr;

use super::operands::text_of_bytes;
use crate::policy::engine::rego::value::Value;

/// A URL. What is not `raw` has its percent escapes undone, so that it need not be text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Url {
    scheme: String,
    opaque: Vec<u8>,
    user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    pub(super) host: Vec<u8>,
    path: Vec<u8>,
    raw_path: Vec<u8>,
    fragment: Vec<u8>,
    raw_fragment: Vec<u8>,
    pub(super) raw_query: Vec<u8>,
    has_empty_query: bool,
    omits_host: bool,
}

/// Part of a URL, by which different characters are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    Zone,
    User,
    Fragment,
}

/// A URL as Go writes it; none for what Go does not take for one.
pub(in crate::policy::engine::rego) fn normal_url(text: &str) -> Option<String> {
    Url::parse(text).map(|url| String::from_utf8_lossy(&url.to_bytes()).into_owned())
}

impl Url {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (front, fragment) = cut(text.as_bytes(), b'#');
        let mut url = Self::parse_front(front)?;
        if !fragment.is_empty() {
            url.fragment = unescape(fragment, Part::Fragment)?;
            if escape(&url.fragment, Part::Fragment) != fragment {
                url.raw_fragment = fragment.to_vec();
            }
        }
        Some(url)
    }

    fn parse_front(text: &[u8]) -> Option<Self> {
        if text.iter().any(u8::is_ascii_control) {
            return None;
        }
        if text == b"*" {
            return Some(Self { path: text.to_vec(), ..Self::default() });
        }
        let (scheme, mut rest) = split_scheme(text)?;
        let mut url = Self { scheme: scheme.to_ascii_lowercase(), ..Self::default() };
        match rest.strip_suffix(b"?").filter(|front| !front.contains(&b'?')) {
            Some(front) => {
                url.has_empty_query = true;
                rest = front;
            }
            None => {
                let (front, query) = cut(rest, b'?');
                (rest, url.raw_query) = (front, query.to_vec());
            }
        }
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                return Some(url);
            }
            if cut(rest, b'/').0.contains(&b':') {
                return None;
            }
        }
        let has_authority = rest.starts_with(b"//") && (!url.scheme.is_empty() || !rest.starts_with(b"///"));
        if has_authority {
            let after = rest.get(2..)?;
            let end = after.iter().position(|byte| *byte == b'/').unwrap_or(after.len());
            let (authority, path) = after.split_at(end);
            rest = path;
            (url.user, url.host) = parse_authority(authority)?;
        } else if !url.scheme.is_empty() && rest.starts_with(b"/") {
            url.omits_host = true;
        }
        url.path = unescape(rest, Part::Path)?;
        if escape(&url.path, Part::Path) != rest {
            url.raw_path = rest.to_vec();
        }
        Some(url)
    }

    /// The path as it was written if that is a valid way to write it.
    pub(super) fn escaped_path(&self) -> Vec<u8> {
        written(&self.raw_path, &self.path, Part::Path)
    }

    /// The URL as text, as Go puts it together.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if !self.scheme.is_empty() {
            text.extend(self.scheme.bytes());
            text.push(b':');
        }
        if self.opaque.is_empty() {
            self.write_hierarchy(&mut text);
        } else {
            text.extend(&self.opaque);
        }
        if self.has_empty_query || !self.raw_query.is_empty() {
            text.push(b'?');
            text.extend(&self.raw_query);
        }
        if !self.fragment.is_empty() {
            text.push(b'#');
            text.extend(written(&self.raw_fragment, &self.fragment, Part::Fragment));
        }
        text
    }

    fn write_hierarchy(&self, text: &mut Vec<u8>) {
        let has_authority = !self.host.is_empty() || self.user.is_some();
        let has_slashes = !self.scheme.is_empty() && !self.omits_host && !self.path.is_empty();
        if has_authority || has_slashes {
            text.extend(b"//");
            if let Some((name, password)) = &self.user {
                text.extend(escape(name, Part::User));
                if let Some(password) = password {
                    text.push(b':');
                    text.extend(escape(password, Part::User));
                }
                text.push(b'@');
            }
            text.extend(escape(&self.host, Part::Host));
        }
        let path = self.escaped_path();
        if !path.is_empty() && !path.starts_with(b"/") && !self.host.is_empty() {
            text.push(b'/');
        }
        if text.is_empty() && cut(&path, b'/').0.contains(&b':') {
            text.extend(b"./");
        }
        text.extend(path);
    }

    /// As Go writes the structure.
    pub(super) fn to_value(&self) -> Value {
        let text = |bytes: &Vec<u8>| text_of_bytes(bytes.clone());
        let user = if self.user.is_some() { Value::object(Vec::new()) } else { Value::Null };
        let entries = [
            ("Scheme", Value::string(&self.scheme)),
            ("Opaque", text(&self.opaque)),
            ("User", user),
            ("Host", text(&self.host)),
            ("Path", text(&self.path)),
            ("RawPath", text(&self.raw_path)),
            ("Fragment", text(&self.fragment)),
            ("RawFragment", text(&self.raw_fragment)),
            ("RawQuery", text(&self.raw_query)),
            ("ForceQuery", self.has_empty_query.into()),
            ("OmitHost", self.omits_host.into()),
        ];
        Value::object(entries.into_iter().map(|(name, value)| (Value::from(name), value)).collect())
    }
}

fn split_scheme(text: &[u8]) -> Option<(String, &[u8])> {
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return None,
            b':' => {
                let (scheme, rest) = text.split_at(index);
                return Some((String::from_utf8_lossy(scheme).into_owned(), rest.get(1..)?));
            }
            _ => break,
        }
    }
    Some((String::new(), text))
}

type User = (Vec<u8>, Option<Vec<u8>>);

fn parse_authority(authority: &[u8]) -> Option<(Option<User>, Vec<u8>)> {
    let Some(at) = authority.iter().rposition(|byte| *byte == b'@') else {
        return Some((None, parse_host(authority)?));
    };
    let (user, host) = (authority.get(..at)?, parse_host(authority.get(at + 1..)?)?);
    let is_valid = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
    if !user.iter().all(is_valid) {
        return None;
    }
    let (name, password) = cut(user, b':');
    let password = if user.contains(&b':') { Some(unescape(password, Part::User)?) } else { None };
    Some((Some((unescape(name, Part::User)?, password)), host))
}

fn parse_host(host: &[u8]) -> Option<Vec<u8>> {
    match host.iter().rposition(|byte| *byte == b'[') {
        Some(0) => return parse_literal(host),
        Some(_) => return None,
        None => {}
    }
    if let Some(colon) = host.iter().rposition(|byte| *byte == b':') {
        is_port(host.get(colon..)?).then_some(())?;
    }
    unescape(host, Part::Host)
}

/// An IPv6 address in brackets.
fn parse_literal(host: &[u8]) -> Option<Vec<u8>> {
    let end = host.iter().rposition(|byte| *byte == b']')?;
    let (name, port) = (host.get(1..end)?, host.get(end + 1..)?);
    is_port(port).then_some(())?;
    let zone = name.windows(3).position(|window| window == b"%25").unwrap_or(name.len());
    let (address, zone) = name.split_at(zone);
    let name = [unescape(address, Part::Host)?, unescape(zone, Part::Zone)?].concat();
    let text = std::str::from_utf8(&name).ok()?;
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let is_address = address.parse::<Ipv6Addr>().is_ok() && zone != Some("");
    is_address.then(|| [b"[", name.as_slice(), b"]", port].concat())
}

fn is_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// `raw` if it is a valid way to write `plain`, the usual one otherwise.
fn written(raw: &[u8], plain: &[u8], part: Part) -> Vec<u8> {
    let is_valid = |byte: &u8| b"!$&'()*+,;=:@[]%".contains(byte) || !is_escaped(*byte, part);
    if !raw.is_empty() && raw.iter().all(is_valid) && unescape(raw, part).as_deref() == Some(plain) {
        return raw.to_vec();
    }
    if part == Part::Path && plain == b"*" { plain.to_vec() } else { escape(plain, part) }
}

fn is_escaped(byte: u8, part: Part) -> bool {
    match byte {
        _ if byte.is_ascii_alphanumeric() => false,
        b'-' | b'_' | b'.' | b'~' => false,
        _ if matches!(part, Part::Host | Part::Zone) => !b"!$&'()*+,;=:[]<>\"".contains(&byte),
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match part {
            Part::Path => byte == b'?',
            Part::User => matches!(byte, b'@' | b'/' | b'?' | b':'),
            Part::Fragment | Part::Host | Part::Zone => false,
        },
        b'!' | b'(' | b')' | b'*' => part != Part::Fragment,
        _ => true,
    }
}

fn escape(bytes: &[u8], part: Part) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if is_escaped(*byte, part) {
            text.extend(format!("%{byte:02X}").bytes());
        } else {
            text.push(*byte);
        }
    }
    text
}

fn unescape(text: &[u8], part: Part) -> Option<Vec<u8>> {
    let is_host = matches!(part, Part::Host | Part::Zone);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            if is_host && first.is_ascii() && is_escaped(*first, part) {
                return None;
            }
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        rest = after;
        let byte = match digits {
            [high, low] => hex_digit(*high)? << 4 | hex_digit(*low)?,
            _ => return None,
        };
        let is_forbidden = match part {
            Part::Host => byte < 0x80 && digits != b"25",
            Part::Zone => digits != b"25" && byte != b' ' && is_escaped(byte, Part::Host),
            Part::Path | Part::User | Part::Fragment => false,
        };
        if is_forbidden {
            return None;
        }
        bytes.push(byte);
    }
    Some(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

/// What stands before and after the first `separator`; all and nothing without one.
fn cut(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == separator) {
        Some(index) => (text.get(..index).unwrap_or_default(), text.get(index + 1..).unwrap_or_default()),
        None => (text, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_written_as_go_writes_them() {
        let check = |text: &str, expected: Option<&str>| {
            let written = Url::parse(text).map(|url| String::from_utf8(url.to_bytes()).unwrap());
            assert_eq!(written.as_deref(), expected, "{text}");
        };
        check("HTTPS://u:p%40@Host:1/a%2fb?q#f%20", Some("https://u:p%40@Host:1/a%2fb?q#f%20"));
        check("spiffe://cluster.local/ns/a", Some("spiffe://cluster.local/ns/a"));
        check("urn:a:b?c", Some("urn:a:b?c"));
        check("/a b", Some("/a%20b"));
        check("http://[fe80::1%25en0]:80/", Some("http://[fe80::1%25en0]:80/"));
        check("http://[fe80::1/", None);
        check("http://h:x/", None);
        check("a:b:c", Some("a:b:c"));
        check("1:b", None);
        check(":b", None);
        check("http://a b/", None);
        check("http://a/%zz", None);
        check("mailto:///x", Some("mailto:///x"));
        check("a/b:c", Some("a/b:c"));
        check("http://h?", Some("http://h?"));
    }
}
