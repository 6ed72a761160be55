//! Alternative names of a subject, and the domain names in them.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::der::{Reader, SEQUENCE};
use super::name::list;
use crate::policy::engine::rego::builtins::go_url::Url;
use crate::policy::engine::rego::value::Value;

#[derive(Clone, Debug, Default)]
pub(crate) struct AlternativeNames {
    pub(crate) domains: Vec<String>,
    pub(crate) emails: Vec<String>,
    pub(crate) addresses: Vec<Vec<u8>>,
    pub(crate) urls: Vec<Url>,
}

impl AlternativeNames {
    pub(crate) fn parse(extension: &[u8]) -> Option<Self> {
        let mut names = Reader(extension).enter(SEQUENCE)?;
        let mut found = Self::default();
        while !names.is_empty() {
            let name = names.any()?;
            let text = || ascii(name.content);
            match name.tag ^ 0x80 {
                1 => found.emails.push(text()?),
                2 => found.domains.push(text()?),
                6 => {
                    let url = Url::parse(&text()?)?;
                    is_domain(&String::from_utf8_lossy(&url.host), false).then_some(())?;
                    found.urls.push(url);
                }
                7 if matches!(name.content.len(), 4 | 16) => found.addresses.push(name.content.to_vec()),
                7 => return None,
                _ => {}
            }
        }
        Some(found)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.emails.is_empty() && self.addresses.is_empty() && self.urls.is_empty()
    }

    /// The four fields that certificates and requests have.
    pub(crate) fn entries(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("DNSNames", texts(&self.domains)),
            ("EmailAddresses", texts(&self.emails)),
            ("IPAddresses", list(self.addresses.iter().map(|address| address_value(address)).collect())),
            ("URIs", list(self.urls.iter().map(Url::to_value).collect())),
        ]
    }
}

pub(crate) fn texts(texts: &[String]) -> Value {
    list(texts.iter().map(|text| Value::from(text.as_str())).collect())
}

/// An address of 4 or 16 bytes; IPv4 in IPv6 is written as IPv4, as Go does.
pub(crate) fn address_value(bytes: &[u8]) -> Value {
    let text = match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (Ok(address), _) => Ipv4Addr::from(address).to_string(),
        (_, Ok(address)) => {
            let address = Ipv6Addr::from(address);
            address.to_ipv4_mapped().map_or_else(|| address.to_string(), |address| address.to_string())
        }
        _ => String::new(),
    };
    Value::from(text)
}

pub(crate) fn ascii(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok().filter(|text| text.is_ascii())
}

/// Go's loose check of a domain name: no empty labels, no blanks. Constraints may begin with a dot.
pub(crate) fn is_domain(name: &str, is_constraint: bool) -> bool {
    if name.is_empty() {
        return true;
    }
    let name = if is_constraint { name.strip_prefix('.').unwrap_or(name) } else { name };
    name.split('.').all(|label| !label.is_empty() && label.bytes().all(|byte| (33..=126).contains(&byte)))
}
