//! Whether certificates lead from a leaf to a root, as Go's crypto/x509 judges it.
//!
//! Policies of certificates are absent: a chain with a certificate that requires or maps policies stops the evaluation.

use std::net::{IpAddr, Ipv6Addr};

use super::KEY_OPERATION;
use super::certificate::{Certificate, Extension};
use super::permission::are_names_permitted;
use crate::policy::engine::rego::builtins::{BuiltinError, CallContext};

/// The bit of a key's usage for signing certificates.
const SIGNS_CERTIFICATES: i64 = 1 << 5;
/// Go gives up after as many checks of signatures.
const MAX_CHECKS: usize = 100;
/// Go's numbers of two purposes.
const ANY_PURPOSE: usize = 0;
const SERVER: usize = 1;

/// What the chain must be good for.
#[derive(Debug)]
pub(super) struct Options {
    /// The name of the leaf; empty if it may have any.
    pub(super) name: String,
    /// Nanoseconds since 1970.
    pub(super) now_ns: i64,
    /// Purposes of which one is enough; servers if none are given.
    pub(super) purposes: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Leaf,
    Intermediate,
    Root,
}

type Chain<'a> = Vec<&'a Certificate>;

/// The best chain from the leaf to the root. The first certificate is the root, the last the leaf.
pub(super) fn verify_chain<'a>(
    context: &mut CallContext<'_>,
    certificates: &'a [Certificate],
    options: &Options,
) -> Result<Option<Chain<'a>>, BuiltinError> {
    let [root, intermediates @ .., leaf] = certificates else { return Ok(None) };
    if !is_valid(leaf, Role::Leaf, &[], options) || !(options.name.is_empty() || has_name(leaf, &options.name)) {
        return Ok(None);
    }
    let mut pool: Chain<'a> = Vec::new();
    for certificate in intermediates {
        if pool.iter().all(|other| other.raw != certificate.raw) {
            pool.push(certificate);
        }
    }
    let mut search = Search { root, intermediates: pool, options, checks: 0, found: Vec::new() };
    if root.raw == leaf.raw {
        search.found.push(vec![leaf]);
    } else {
        search.extend(context, &[leaf])?;
    }
    for chain in search.found {
        if has_no_policies(&chain)? && fits_purposes(&chain, options) && are_names_permitted(&chain)? {
            return Ok(Some(chain));
        }
    }
    Ok(None)
}

struct Search<'a, 'b> {
    root: &'a Certificate,
    intermediates: Chain<'a>,
    options: &'b Options,
    checks: usize,
    found: Vec<Chain<'a>>,
}

impl<'a> Search<'a, '_> {
    /// Looks for what may have signed the last certificate of the chain.
    fn extend(&mut self, context: &mut CallContext<'_>, chain: &[&'a Certificate]) -> Result<(), BuiltinError> {
        let Some(last) = chain.last() else { return Ok(()) };
        let roots = candidates(last, &[self.root]).into_iter().map(|parent| (Role::Root, parent));
        let others = candidates(last, &self.intermediates).into_iter().map(|parent| (Role::Intermediate, parent));
        for (role, parent) in roots.chain(others).collect::<Vec<_>>() {
            self.checks += 1;
            if self.checks > MAX_CHECKS {
                return Ok(());
            }
            context.budget.charge(KEY_OPERATION)?;
            let is_usable =
                !is_in_chain(parent, chain) && has_signed(parent, last)? && is_valid(parent, role, chain, self.options);
            if !is_usable {
                continue;
            }
            let longer = [chain, &[parent]].concat();
            match role {
                Role::Root => self.found.push(longer),
                Role::Leaf | Role::Intermediate => self.extend(context, &longer)?,
            }
        }
        Ok(())
    }
}

/// Those whose subject is the issuer; first those whose key has the identifier that the certificate names.
fn candidates<'a>(child: &Certificate, pool: &[&'a Certificate]) -> Chain<'a> {
    let wanted = child.details.authority_key_id.as_deref().unwrap_or_default();
    let rank = |parent: &&Certificate| {
        let found = parent.details.key_id.as_deref().unwrap_or_default();
        match (found == wanted, found.is_empty() != wanted.is_empty()) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    };
    let mut found: Chain<'a> = pool.iter().copied().filter(|parent| parent.raw_subject == child.raw_issuer).collect();
    found.sort_by_key(rank);
    found
}

fn is_in_chain(candidate: &Certificate, chain: &[&Certificate]) -> bool {
    let names = |certificate: &Certificate| alternative_names(certificate).map(|extension| extension.value.clone());
    let candidate_names = names(candidate);
    for other in chain {
        if candidate.raw_subject != other.raw_subject || candidate.raw_key != other.raw_key {
            continue;
        }
        match (&candidate_names, names(other)) {
            (None, None) => return true,
            (Some(_), None) | (None, Some(_)) => return false,
            (Some(names), Some(other)) if *names == other => return true,
            (Some(_), Some(_)) => {}
        }
    }
    false
}

pub(super) fn alternative_names(certificate: &Certificate) -> Option<&Extension> {
    certificate.extensions.iter().find(|extension| extension.oid == [2, 5, 29, 17])
}

fn has_signed(parent: &Certificate, child: &Certificate) -> Result<bool, BuiltinError> {
    let details = &parent.details;
    let lacks_constraints = parent.version == 3 && !details.has_constraints;
    let is_no_authority = details.has_constraints && !details.is_authority;
    let may_not_sign = details.key_usage != 0 && details.key_usage & SIGNS_CERTIFICATES == 0;
    match &parent.key {
        Some(key) if !(lacks_constraints || is_no_authority || may_not_sign) => {
            child.algorithm.verify(key, &child.raw_signed, &child.signature)
        }
        _ => Ok(false),
    }
}

fn is_valid(certificate: &Certificate, role: Role, chain: &[&Certificate], options: &Options) -> bool {
    let details = &certificate.details;
    let now = i128::from(options.now_ns);
    let nanoseconds = |second: i64| i128::from(second) * 1_000_000_000;
    let is_current =
        now >= nanoseconds(certificate.not_before.second) && now <= nanoseconds(certificate.not_after.second);
    let is_issuer = chain.last().is_none_or(|child| child.raw_issuer == certificate.raw_subject);
    let may_issue = role != Role::Intermediate || (details.has_constraints && details.is_authority);
    let intermediates = chain.len() as i64 - 1;
    let is_short = !details.has_constraints || details.path_limit < 0 || intermediates <= details.path_limit;
    details.unhandled.is_empty() && is_current && is_issuer && may_issue && is_short
}

/// Stops at what needs the processing of policies that is absent here.
fn has_no_policies(chain: &[&Certificate]) -> Result<bool, BuiltinError> {
    let below_root = chain.split_last().map_or(&[][..], |(_, below)| below);
    let needs = |certificate: &&Certificate| {
        certificate.details.require_policy.is_some() || !certificate.details.policy_mappings.is_empty()
    };
    if below_root.iter().any(needs) {
        return Err(BuiltinError::Halt("certificates that require or map policies are not supported".to_owned()));
    }
    Ok(true)
}

/// Whether all certificates of the chain have one of the purposes in common.
fn fits_purposes(chain: &[&Certificate], options: &Options) -> bool {
    if options.purposes.contains(&ANY_PURPOSE) {
        return true;
    }
    let mut purposes = if options.purposes.is_empty() { vec![SERVER] } else { options.purposes.clone() };
    for certificate in chain.iter().rev() {
        let details = &certificate.details;
        let is_unlimited = details.purposes.is_empty() && details.unknown_purposes.is_empty();
        if !is_unlimited && !details.purposes.contains(&ANY_PURPOSE) {
            purposes.retain(|purpose| details.purposes.contains(purpose));
        }
    }
    !purposes.is_empty()
}

/// Whether the certificate is for the host, by its alternative names.
fn has_name(certificate: &Certificate, host: &str) -> bool {
    let names = &certificate.details.names;
    let bare = host.strip_prefix('[').and_then(|bare| bare.strip_suffix(']')).filter(|bare| !bare.is_empty());
    if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
        let wide = |address: IpAddr| match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let parse = |bytes: &Vec<u8>| match (<[u8; 4]>::try_from(&**bytes), <[u8; 16]>::try_from(&**bytes)) {
            (Ok(bytes), _) => Some(wide(IpAddr::from(bytes))),
            (_, Ok(bytes)) => Some(Ipv6Addr::from(bytes)),
            _ => None,
        };
        return names.addresses.iter().any(|bytes| parse(bytes) == Some(wide(address)));
    }
    let host = host.to_ascii_lowercase();
    let is_host = is_host_name(host.strip_suffix('.').unwrap_or(&host), false);
    names.domains.iter().map(|pattern| pattern.to_ascii_lowercase()).any(|pattern| {
        if is_host && is_host_name(&pattern, true) {
            matches_pattern(&pattern, host.strip_suffix('.').unwrap_or(&host))
        } else {
            !matches!(host.as_str(), "" | ".") && pattern == host
        }
    })
}

fn is_host_name(name: &str, is_pattern: bool) -> bool {
    let is_label = |(index, label): (usize, &str)| {
        let is_valid =
            |(place, byte): (usize, u8)| byte.is_ascii_alphanumeric() || byte == b'_' || (byte == b'-' && place != 0);
        (is_pattern && index == 0 && label == "*") || (!label.is_empty() && label.bytes().enumerate().all(is_valid))
    };
    name != "*" && name.split('.').enumerate().all(is_label)
}

fn matches_pattern(pattern: &str, host: &str) -> bool {
    let (pattern, host): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), host.split('.').collect());
    let fits = |(index, (pattern, label)): (usize, (&&str, &&str))| (index == 0 && *pattern == "*") || pattern == label;
    pattern.len() == host.len() && pattern.iter().zip(&host).enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts_are_those_of_go() {
        let check = |name: &str, is_pattern: bool, expected: bool| {
            assert_eq!(is_host_name(name, is_pattern), expected, "{name}");
        };
        check("a.b", false, true);
        check("*.b", false, false);
        check("*.b", true, true);
        check("a.*", true, false);
        check("*", true, false);
        check("a..b", false, false);
        check("-a", false, false);
        check("a-_", false, true);
        check("", false, false);
        assert!(matches_pattern("*.b", "a.b") && !matches_pattern("*.b", "a.a.b") && !matches_pattern("*.b", "b"));
    }
}
