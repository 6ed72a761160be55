//! URLs as Go's `net/url` reads and joins them: what is a URL, and what a reference means below another one.
//!
//! Kept decoded are path and fragment, as bytes; host and user stay as written, which is enough to compare them.

use std::net::Ipv6Addr;

use crate::policy::engine::rego::value::quote;

/// A URL or a relative reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: String,
    opaque: String,
    user: Option<String>,
    pub(super) host: String,
    path: Part,
    /// With its question mark.
    query: String,
    fragment: Part,
    omits_host: bool,
}

/// A part with escapes: its meaning, and its text where escaping the meaning would give another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Part {
    bytes: Vec<u8>,
    written: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Fragment,
    Host,
    User,
}

impl Url {
    /// # Errors
    /// With Go's text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (front, fragment) = text.split_once('#').unwrap_or((text, ""));
        let fault = |shown: &str, reason: String| format!("parse {}: {reason}", quote(shown));
        let mut url = Self::parse_front(front).map_err(|reason| fault(front, reason))?;
        url.fragment = Part::parse(fragment, Place::Fragment).map_err(|reason| fault(text, reason))?;
        Ok(url)
    }

    fn parse_front(text: &str) -> Result<Self, String> {
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let (scheme, rest) = split_scheme(text)?;
        let mut url = Self { scheme: scheme.to_lowercase(), ..Self::default() };
        let (mut rest, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        query.clone_into(&mut url.query);
        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                rest.clone_into(&mut url.opaque);
                return Ok(url);
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let is_authority = !url.scheme.is_empty() || !rest.starts_with("///");
        if let Some(authority) = rest.strip_prefix("//").filter(|_| is_authority) {
            let (authority, path) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
            rest = path;
            url.read_authority(authority)?;
        } else if !url.scheme.is_empty() && rest.starts_with('/') {
            url.omits_host = true;
        }
        url.path = Part::parse(rest, Place::Path)?;
        Ok(url)
    }

    fn read_authority(&mut self, authority: &str) -> Result<(), String> {
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        check_host(host)?;
        if let Some(user) = user {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
            if !user.bytes().all(is_allowed) {
                return Err("net/url: invalid userinfo".to_owned());
            }
            unescape(user, Place::User)?;
            self.user = Some(user.to_owned());
        }
        host.clone_into(&mut self.host);
        Ok(())
    }

    /// What `reference` means where this URL is the base.
    pub(super) fn resolve(&self, reference: &Self) -> Self {
        let mut url = reference.clone();
        if reference.scheme.is_empty() {
            self.scheme.clone_into(&mut url.scheme);
        }
        if !reference.scheme.is_empty() || !reference.host.is_empty() || reference.user.is_some() {
            url.path = Part::of_escaped(&join_paths(&reference.path.escaped(Place::Path), ""));
            return url;
        }
        let has_path = !reference.path.bytes.is_empty();
        if !has_path && reference.query.is_empty() {
            self.query.clone_into(&mut url.query);
            if reference.fragment.bytes.is_empty() {
                url.fragment = self.fragment.clone();
            }
        }
        if !has_path && !self.opaque.is_empty() {
            self.opaque.clone_into(&mut url.opaque);
            return url;
        }
        self.host.clone_into(&mut url.host);
        self.user.clone_into(&mut url.user);
        url.path = Part::of_escaped(&join_paths(&self.path.escaped(Place::Path), &reference.path.escaped(Place::Path)));
        url
    }

    pub(super) fn without_fragment(&self) -> Self {
        Self { fragment: Part::default(), ..self.clone() }
    }

    /// The fragment's meaning.
    pub(super) fn fragment(&self) -> String {
        String::from_utf8_lossy(&self.fragment.bytes).into_owned()
    }

    /// The path's meaning.
    pub(super) fn path(&self) -> String {
        String::from_utf8_lossy(&self.path.bytes).into_owned()
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if !self.scheme.is_empty() {
            text = format!("{}:", self.scheme);
        }
        if self.opaque.is_empty() {
            self.write_hierarchy(&mut text);
        } else {
            text.push_str(&self.opaque);
        }
        text.push_str(&self.query);
        if !self.fragment.bytes.is_empty() {
            text.push('#');
            text.push_str(&self.fragment.escaped(Place::Fragment));
        }
        text
    }

    fn write_hierarchy(&self, text: &mut String) {
        let has_authority = !self.host.is_empty() || self.user.is_some();
        let path = self.path.escaped(Place::Path);
        if has_authority || (!self.scheme.is_empty() && !self.omits_host && !path.is_empty()) {
            text.push_str("//");
            if let Some(user) = &self.user {
                text.push_str(user);
                text.push('@');
            }
            text.push_str(&self.host);
        }
        if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
            text.push('/');
        }
        if text.is_empty() && path.split('/').next().is_some_and(|segment| segment.contains(':')) {
            text.push_str("./");
        }
        text.push_str(&path);
    }
}

impl Part {
    fn parse(text: &str, place: Place) -> Result<Self, String> {
        let bytes = unescape(text, place)?;
        let written = (escape(&bytes, place) != text).then(|| text.to_owned());
        Ok(Self { bytes, written })
    }

    /// A path that was taken apart where it is sound to do so, and is thus sound itself.
    fn of_escaped(text: &str) -> Self {
        Self::parse(text, Place::Path).unwrap_or_default()
    }

    fn escaped(&self, place: Place) -> String {
        let is_sound = |byte: u8| b"!$&'()*+,;=:@[]%".contains(&byte) || !needs_escape(byte, place);
        match &self.written {
            Some(written) if written.bytes().all(is_sound) => written.clone(),
            _ if self.bytes == b"*" => "*".to_owned(),
            _ => escape(&self.bytes, place),
        }
    }
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok(text.split_once(':').unwrap_or(("", text))),
            _ => break,
        }
    }
    Ok(("", text))
}

fn check_host(host: &str) -> Result<(), String> {
    match host.rfind('[') {
        Some(0) => return check_bracketed(host),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    // OPA is built with Go's older rule: colons before the last one belong to the name.
    check_port(host.rfind(':').and_then(|colon| host.get(colon..)).unwrap_or_default())?;
    unescape(host, Place::Host).map(|_| ())
}

fn check_bracketed(host: &str) -> Result<(), String> {
    let Some((address, port)) = host.rsplit_once(']') else {
        return Err("missing ']' in host".to_owned());
    };
    check_port(port)?;
    let (address, zone) = address.split_once("%25").unwrap_or((address, "zone"));
    let address = address.trim_start_matches('[');
    match address.parse::<Ipv6Addr>() {
        Ok(_) if !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(()),
        _ => Err(format!("invalid host: ParseAddr({}): unable to parse IP", quote(address))),
    }
}

fn check_port(port: &str) -> Result<(), String> {
    let is_sound =
        port.is_empty() || port.strip_prefix(':').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    if is_sound { Ok(()) } else { Err(format!("invalid port {} after host", quote(port))) }
}

fn join_paths(base: &str, reference: &str) -> String {
    let full = match reference {
        "" => base.to_owned(),
        _ if reference.starts_with('/') => reference.to_owned(),
        _ => format!("{}{reference}", base.rfind('/').and_then(|end| base.get(..=end)).unwrap_or_default()),
    };
    if full.is_empty() {
        return full;
    }
    // Everything is below the slash in front, which is taken away again where the path brings its own.
    let (mut joined, mut is_first, mut last) = ("/".to_owned(), true, "");
    for element in full.split('/') {
        last = element;
        match element {
            "." => is_first = false,
            ".." => {
                let parent = joined.rfind('/').unwrap_or(0);
                joined.truncate(parent.max(1));
                is_first = joined.len() == 1;
            }
            _ => {
                if !is_first {
                    joined.push('/');
                }
                joined.push_str(element);
                is_first = false;
            }
        }
    }
    if matches!(last, "." | "..") {
        joined.push('/');
    }
    match joined.strip_prefix('/') {
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        _ => joined,
    }
}

fn unescape(text: &str, place: Place) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut output = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(byte) = bytes.get(index).copied() {
        if byte == b'%' {
            let escape = text.get(index..index + 3).unwrap_or_else(|| text.get(index..).unwrap_or("%"));
            let value = escape.get(1..3).filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let value = value.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            let fault = || format!("invalid URL escape {}", quote(escape));
            let value =
                value.filter(|value| place != Place::Host || *value >= 0x80 || *value == b'%').ok_or_else(fault)?;
            output.push(value);
            index += 3;
            continue;
        }
        if place == Place::Host && byte < 0x80 && needs_escape(byte, place) {
            let shown = char::from(byte).to_string();
            return Err(format!("invalid character {} in host name", quote(&shown)));
        }
        output.push(byte);
        index += 1;
    }
    Ok(output)
}

fn escape(bytes: &[u8], place: Place) -> String {
    let mut output = String::with_capacity(bytes.len());
    for byte in bytes {
        if needs_escape(*byte, place) {
            output.push_str(&format!("%{byte:02X}"));
        } else {
            output.push(char::from(*byte));
        }
    }
    output
}

fn needs_escape(byte: u8, place: Place) -> bool {
    match byte {
        b'-' | b'_' | b'.' | b'~' => false,
        _ if byte.is_ascii_alphanumeric() => false,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'[' | b']' | b'<'
        | b'>' | b'"'
            if place == Place::Host =>
        {
            false
        }
        b'!' | b'(' | b')' | b'*' => place != Place::Fragment,
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match place {
            Place::Path => byte == b'?',
            Place::Fragment => false,
            Place::User => matches!(byte, b'@' | b'/' | b'?' | b':'),
            Place::Host => true,
        },
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_as_go_does() {
        for (base, reference, expected) in [
            ("", "#/definitions/a", "#/definitions/a"),
            ("http://a/b/c/d?q", "../g", "http://a/b/g"),
            ("http://a/b/c/d?q", "?y", "http://a/b/c/d?y"),
            ("http://a/b/c/d?q", "#s", "http://a/b/c/d?q#s"),
            ("http://a/b/c/d?q", "//g", "http://g"),
            ("http://a/b/c/d?q", "../../../g/.", "http://a/g/"),
            ("urn:x", "#y", "urn:x#y"),
        ] {
            let (base, reference) = (Url::parse(base).unwrap(), Url::parse(reference).unwrap());
            assert_eq!(base.resolve(&reference).text(), expected);
        }
    }

    #[test]
    fn tells_what_is_no_url() {
        for text in ["a:b:c", "/x", "http://h:80/", "*", "", "http://[::1]:80", "mailto:a@b"] {
            assert!(Url::parse(text).is_ok(), "{text}");
        }
        for text in [":x", "1:2", "http://a b/", "http://h:x/", "%zz", "a\nb", "http://[1.2.3.4]/", "http://a%20b"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
