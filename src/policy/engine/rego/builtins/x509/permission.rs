//! Whether the names of a chain's certificates are within the constraints of the certificates above them.
//!
//! As in Go, constraints are sorted, those within others are dropped, and one search finds the only one that can match.

use std::cmp::Ordering;

use super::certificate::Certificate;
use super::general_names::is_domain;
use super::mailbox::Mailbox;
use super::subtrees::{Subtrees, is_address};
use super::verify::alternative_names;
use crate::policy::engine::rego::builtins::BuiltinError;

/// The names of one certificate that constraints are about.
struct Names {
    domains: Vec<String>,
    hosts: Vec<String>,
    mailboxes: Vec<Mailbox>,
    addresses: Vec<Vec<u8>>,
}

/// From the leaf on, each certificate by those above it.
pub(super) fn are_names_permitted(chain: &[&Certificate]) -> Result<bool, BuiltinError> {
    for (index, certificate) in chain.iter().enumerate() {
        let above = chain.get(index + 1..).unwrap_or_default();
        let constraining: Vec<_> = above.iter().filter(|parent| has_constraints(parent)).collect();
        if constraining.is_empty() || alternative_names(certificate).is_none() {
            continue;
        }
        let Some(names) = Names::of(certificate) else { return Ok(false) };
        for parent in constraining {
            if !names.are_permitted(&parent.details.permitted, &parent.details.excluded)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn has_constraints(certificate: &Certificate) -> bool {
    certificate.extensions.iter().any(|extension| extension.oid == [2, 5, 29, 30])
}

impl Names {
    /// `None` if one of them cannot be compared with constraints.
    fn of(certificate: &Certificate) -> Option<Self> {
        let names = &certificate.details.names;
        let mailboxes: Option<Vec<_>> = names.emails.iter().map(|email| Mailbox::parse(email)).collect();
        let hosts: Option<Vec<_>> = names.urls.iter().map(|url| host_of(&url.host)).collect();
        let lower = |mailbox: Mailbox| Mailbox { domain: mailbox.domain.to_ascii_lowercase(), ..mailbox };
        Some(Self {
            domains: names.domains.clone(),
            hosts: hosts?,
            mailboxes: mailboxes?.into_iter().map(lower).collect(),
            addresses: names.addresses.clone(),
        })
    }

    fn are_permitted(&self, permitted: &Subtrees, excluded: &Subtrees) -> Result<bool, BuiltinError> {
        for address in &self.addresses {
            let is_permitted = permitted.networks.is_empty() || is_in_networks(&permitted.networks, address)?;
            if !is_permitted || is_in_networks(&excluded.networks, address)? {
                return Ok(false);
            }
        }
        let domain = |name: &String, permitted: &[String], excluded: &[String]| {
            is_domain(name, false)
                && (permitted.is_empty() || is_in_domains(permitted, name, true))
                && !is_in_domains(excluded, name, false)
        };
        let mailbox = |mailbox: &Mailbox| {
            is_domain(&mailbox.domain, false)
                && (permitted.emails.is_empty() || is_in_mailboxes(&permitted.emails, mailbox, true))
                && !is_in_mailboxes(&excluded.emails, mailbox, false)
        };
        Ok(self.domains.iter().all(|name| domain(name, &permitted.domains, &excluded.domains))
            && self.hosts.iter().all(|name| domain(name, &permitted.url_domains, &excluded.url_domains))
            && self.mailboxes.iter().all(mailbox))
    }
}

/// The host of a URL in lower case, without its port.
fn host_of(host: &[u8]) -> Option<String> {
    let host = String::from_utf8(host.to_vec()).ok()?.to_ascii_lowercase();
    let bare = match host.split_once(':') {
        None => host.as_str(),
        // More than one colon outside of brackets is an error in Go.
        Some((bare, port)) if !port.contains(':') && !host.contains(['[', ']']) => bare,
        Some(_) => return None,
    };
    let is_name = !host.is_empty() && !is_address(bare) && !bare.starts_with('[');
    is_name.then(|| bare.to_owned())
}

fn is_in_networks(networks: &[(Vec<u8>, Vec<u8>)], address: &[u8]) -> Result<bool, BuiltinError> {
    // Go takes such addresses for IPv4 here and there.
    let is_mapped = |bytes: &[u8]| bytes.len() == 16 && bytes.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    if !networks.is_empty() && (is_mapped(address) || networks.iter().any(|(network, _)| is_mapped(network))) {
        return Err(BuiltinError::Halt("constraints on mapped IPv4 addresses are not supported".to_owned()));
    }
    type Network = (Vec<u8>, Vec<u8>);
    let contains = |network: &Network, address: &[u8]| {
        let pairs = network.0.iter().zip(address).zip(&network.1);
        pairs.into_iter().all(|((one, other), mask)| one & mask == other & mask)
    };
    let is_within = |outer: &Network, inner: &Network| {
        let last: Vec<u8> = inner.0.iter().zip(&inner.1).map(|(byte, mask)| byte | !mask).collect();
        contains(outer, &inner.0) && contains(outer, &last)
    };
    let networks = networks.iter().filter(|network| network.0.len() == address.len()).cloned().collect();
    let networks = pruned(networks, Ord::cmp, is_within);
    let found = search(&networks, |network| network.0.as_slice().cmp(address));
    Ok(found.is_some_and(|(network, is_exact)| is_exact || contains(network, address)))
}

fn is_in_domains(domains: &[String], name: &str, is_permitted: bool) -> bool {
    if domains.iter().any(String::is_empty) {
        return true;
    }
    let domains = pruned(domains.to_vec(), |one, other| compare(one, other), |outer, inner| has_suffix(outer, inner));
    let found = search(&domains, |domain| compare(domain, name));
    if found.is_some_and(|(domain, is_exact)| is_exact || has_suffix(domain, name)) {
        return true;
    }
    // A wildcard would cover an excluded name beside it.
    let without_first = |name: &str| name.find('.').and_then(|dot| name.get(dot..)).unwrap_or_default().to_lowercase();
    let rest = without_first(name);
    !is_permitted
        && name.starts_with('*')
        && !rest.is_empty()
        && domains.iter().any(|domain| without_first(domain) == rest)
}

fn is_in_mailboxes(constraints: &[String], mailbox: &Mailbox, is_permitted: bool) -> bool {
    let (exact, domains): (Vec<_>, Vec<_>) = constraints.iter().cloned().partition(|one| one.contains('@'));
    let is_same = |constraint: &String| {
        Mailbox::parse(constraint).is_some_and(|constraint| {
            constraint.local == mailbox.local && constraint.domain.to_ascii_lowercase() == mailbox.domain
        })
    };
    exact.iter().any(is_same) || (!domains.is_empty() && is_in_domains(&domains, &mailbox.domain, is_permitted))
}

/// Sorted, and without what is within the one before.
fn pruned<T>(mut set: Vec<T>, order: impl Fn(&T, &T) -> Ordering, is_within: impl Fn(&T, &T) -> bool) -> Vec<T> {
    set.sort_by(order);
    set.dedup_by(|inner, outer| is_within(outer, inner));
    set
}

/// The constraint that is equal, or the one before where an equal one would be.
fn search<T>(set: &[T], compare: impl Fn(&T) -> Ordering) -> Option<(&T, bool)> {
    match set.binary_search_by(compare) {
        Ok(index) => {
            // Of several equal ones the first.
            Some((set.get(index)?, true))
        }
        Err(index) => Some((set.get(index.saturating_sub(1))?, false)),
    }
}

/// By labels from the end, letters in any case.
fn compare(one: &str, other: &str) -> Ordering {
    let key = |byte: u8| if byte == b'.' { 0 } else { byte.to_ascii_lowercase() };
    one.bytes().rev().map(key).cmp(other.bytes().rev().map(key))
}

/// Whether the name is the domain or below it. A domain that begins with a dot does not include itself.
fn has_suffix(domain: &str, name: &str) -> bool {
    let Some(start) = name.len().checked_sub(domain.len()) else { return false };
    let (front, end) = name.as_bytes().split_at(start);
    end.eq_ignore_ascii_case(domain.as_bytes())
        && (front.is_empty() || domain.starts_with('.') || front.ends_with(b"."))
}
