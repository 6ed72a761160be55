//! E-mail addresses as RFC 2821 has them.

/// The part before the `@` without its quotes, and the domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mailbox {
    pub(crate) local: Vec<u8>,
    pub(crate) domain: String,
}

impl Mailbox {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (local, rest) = match text.as_bytes().split_first()? {
            (b'"', rest) => quoted(rest)?,
            _ => plain(text.as_bytes())?,
        };
        let domain = String::from_utf8(rest.strip_prefix(b"@")?.to_vec()).ok()?;
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(|byte| (33..=126).contains(&byte));
        let is_valid = domain.is_empty() || domain.split('.').all(is_label);
        is_valid.then_some(Self { local, domain })
    }
}

fn quoted(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut local = Vec::new();
    loop {
        let (first, after) = rest.split_first()?;
        rest = after;
        match first {
            b'"' => return Some((local, rest)),
            b'\\' => {
                let (escaped, after) = rest.split_first()?;
                matches!(escaped, 1..=9 | 11 | 12 | 14..=127).then(|| local.push(*escaped))?;
                rest = after;
            }
            1..=8 | 11 | 12 | 14..=33 | 35..=91 | 93..=127 => local.push(*first),
            _ => return None,
        }
    }
}

fn plain(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut local = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'\\' {
            let (escaped, after) = after.split_first()?;
            local.push(*escaped);
            rest = after;
        } else if first.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(first) {
            local.push(*first);
            rest = after;
        } else {
            break;
        }
    }
    let is_bad = local.is_empty()
        || local.starts_with(b".")
        || local.ends_with(b".")
        || local.windows(2).any(|window| window == b"..");
    (!is_bad).then_some((local, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_have_a_local_part_and_a_domain() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let parsed = Mailbox::parse(text);
            let parsed = parsed.as_ref().map(|mail| (std::str::from_utf8(&mail.local).unwrap(), &*mail.domain));
            assert_eq!(parsed, expected, "{text}");
        };
        check("a.b@c.d", Some(("a.b", "c.d")));
        check("\"a b\\\"\"@c", Some(("a b\"", "c")));
        check(".a@c", None);
        check("a..b@c", None);
        check("a@c.", None);
        check("a b@c", None);
        check("a", None);
        check("", None);
    }
}
