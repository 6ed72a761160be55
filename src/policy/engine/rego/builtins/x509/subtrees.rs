//! Name constraints: what an authority may and may not sign for.

use super::der::{Reader, SEQUENCE, constructed, field};
use super::general_names::{address_value, ascii, is_domain};
use super::mailbox::Mailbox;
use super::name::list;
use crate::policy::engine::rego::builtins::keys::public::{base64_of, fields};
use crate::policy::engine::rego::value::Value;

/// One side of the constraints.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subtrees {
    pub(crate) domains: Vec<String>,
    pub(crate) networks: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) emails: Vec<String>,
    pub(crate) url_domains: Vec<String>,
    /// Whether there are names of other kinds.
    pub(crate) has_others: bool,
}

/// What is permitted and what is excluded.
pub(crate) fn parse_constraints(extension: &[u8]) -> Option<(Subtrees, Subtrees)> {
    let mut outer = Reader(extension);
    let mut sides = outer.enter(SEQUENCE).filter(|_| outer.is_empty())?;
    let permitted = sides.optional(constructed(0))?.unwrap_or_default();
    let excluded = sides.optional(constructed(1))?.unwrap_or_default();
    let has_content = !permitted.is_empty() || !excluded.is_empty();
    (sides.is_empty() && has_content).then_some(())?;
    Some((Subtrees::parse(permitted)?, Subtrees::parse(excluded)?))
}

impl Subtrees {
    fn parse(content: &[u8]) -> Option<Self> {
        let (mut reader, mut subtrees) = (Reader(content), Self::default());
        while !reader.is_empty() {
            let name = reader.enter(SEQUENCE)?.any()?;
            let domain = || ascii(name.content).filter(|domain| is_domain(domain, true));
            match name.tag {
                tag if tag == field(2) => subtrees.domains.push(domain()?),
                tag if tag == field(7) => subtrees.networks.push(network(name.content)?),
                tag if tag == field(1) => {
                    let email = ascii(name.content)?;
                    let is_valid =
                        if email.contains('@') { Mailbox::parse(&email).is_some() } else { is_domain(&email, true) };
                    subtrees.emails.push(is_valid.then_some(email)?);
                }
                tag if tag == field(6) => {
                    let domain = domain()?;
                    (!is_address(&domain)).then_some(())?;
                    subtrees.url_domains.push(domain);
                }
                _ => subtrees.has_others = true,
            }
        }
        Some(subtrees)
    }

    pub(crate) fn networks_value(&self) -> Value {
        let network = |(address, mask): &(Vec<u8>, Vec<u8>)| {
            fields(vec![("IP", address_value(address)), ("Mask", base64_of(mask))])
        };
        list(self.networks.iter().map(network).collect())
    }
}

/// Whether Go's parser of addresses would take it. Zones are none.
pub(crate) fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

/// Address and mask, both as long as addresses of their kind.
fn network(content: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    if !matches!(content.len(), 8 | 32) {
        return None;
    }
    let (address, mask) = content.split_at(content.len() / 2);
    let ones = mask.iter().take_while(|byte| **byte == 0xff).count();
    let rest = mask.get(ones..).unwrap_or_default();
    let is_mask = rest.split_first().is_none_or(|(first, rest)| {
        first.leading_ones() + first.trailing_zeros() >= 8 && rest.iter().all(|byte| *byte == 0)
    });
    is_mask.then(|| (address.to_vec(), mask.to_vec()))
}
