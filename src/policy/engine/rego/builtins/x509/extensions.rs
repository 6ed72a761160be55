//! What Go reads out of a certificate's extensions.

use num_bigint::BigUint;

use super::certificate::Extension;
use super::der::{
    BOOLEAN, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE, constructed, field, integer, oid_parts,
};
use super::general_names::{AlternativeNames, texts};
use super::name::{list, oid_value};
use super::subtrees::{Subtrees, parse_constraints};
use crate::policy::engine::rego::builtins::keys::public::{base64_of, fields};
use crate::policy::engine::rego::builtins::operands::text_of_bytes;
use crate::policy::engine::rego::value::Value;

/// Authority information access.
const AUTHORITY_ACCESS: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];

/// Purposes of keys, by Go's numbers.
const PURPOSES: [&[u32]; 14] = [
    &[2, 5, 29, 37, 0],
    &[1, 3, 6, 1, 5, 5, 7, 3, 1],
    &[1, 3, 6, 1, 5, 5, 7, 3, 2],
    &[1, 3, 6, 1, 5, 5, 7, 3, 3],
    &[1, 3, 6, 1, 5, 5, 7, 3, 4],
    &[1, 3, 6, 1, 5, 5, 7, 3, 5],
    &[1, 3, 6, 1, 5, 5, 7, 3, 6],
    &[1, 3, 6, 1, 5, 5, 7, 3, 7],
    &[1, 3, 6, 1, 5, 5, 7, 3, 8],
    &[1, 3, 6, 1, 5, 5, 7, 3, 9],
    &[1, 3, 6, 1, 4, 1, 311, 10, 3, 3],
    &[2, 16, 840, 1, 113730, 4, 1],
    &[1, 3, 6, 1, 4, 1, 311, 2, 1, 22],
    &[1, 3, 6, 1, 4, 1, 311, 61, 1, 1],
];

/// The extensions that are understood. Policies are the content of their object identifiers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details {
    pub(crate) key_usage: i64,
    pub(crate) purposes: Vec<usize>,
    pub(crate) unknown_purposes: Vec<Vec<u32>>,
    /// Whether there are basic constraints.
    pub(crate) has_constraints: bool,
    pub(crate) is_authority: bool,
    /// -1 without a limit.
    pub(crate) path_limit: i64,
    pub(crate) key_id: Option<Vec<u8>>,
    pub(crate) authority_key_id: Option<Vec<u8>>,
    ocsp_servers: Vec<Vec<u8>>,
    issuer_urls: Vec<Vec<u8>>,
    pub(crate) names: AlternativeNames,
    has_critical_subtrees: bool,
    pub(crate) permitted: Subtrees,
    pub(crate) excluded: Subtrees,
    revocation_urls: Vec<Vec<u8>>,
    /// `None` without the extension.
    pub(crate) policies: Option<Vec<Vec<u8>>>,
    pub(crate) policy_mappings: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) inhibit_any_policy: Option<i64>,
    pub(crate) inhibit_mapping: Option<i64>,
    pub(crate) require_policy: Option<i64>,
    /// Critical and not understood, or not fully.
    pub(crate) unhandled: Vec<Vec<u32>>,
}

impl Details {
    pub(crate) fn parse(extensions: &[Extension]) -> Option<Self> {
        let mut details = Self::default();
        for extension in extensions {
            let is_handled = details.read(extension)?;
            if extension.is_critical && !is_handled {
                details.unhandled.push(extension.oid.clone());
            }
        }
        Some(details)
    }

    /// Whether the extension is understood; `None` for a broken one.
    fn read(&mut self, extension: &Extension) -> Option<bool> {
        let value = Reader(&extension.value);
        match extension.oid.as_slice() {
            [2, 5, 29, 14] => self.key_id = Some(read_key_id(value, extension.is_critical)?),
            [2, 5, 29, 15] => self.key_usage = read_key_usage(value)?,
            [2, 5, 29, 17] => {
                self.names = AlternativeNames::parse(&extension.value)?;
                return Some(!self.names.is_empty());
            }
            [2, 5, 29, 19] => self.read_basic_constraints(value)?,
            [2, 5, 29, 30] => {
                let (permitted, excluded) = parse_constraints(&extension.value)?;
                let is_handled = !permitted.has_others && !excluded.has_others;
                (self.permitted, self.excluded) = (permitted, excluded);
                self.has_critical_subtrees = extension.is_critical;
                return Some(is_handled);
            }
            [2, 5, 29, 31] => self.revocation_urls = read_distribution_points(value)?,
            [2, 5, 29, 32] => self.policies = Some(read_policies(value)?),
            [2, 5, 29, 33] => self.policy_mappings = read_policy_mappings(value)?,
            [2, 5, 29, 35] => self.authority_key_id = read_authority_key_id(value, extension.is_critical)?,
            [2, 5, 29, 36] => self.read_policy_constraints(value)?,
            [2, 5, 29, 37] => self.read_purposes(value)?,
            [2, 5, 29, 54] => self.inhibit_any_policy = Some({ value }.small()?),
            AUTHORITY_ACCESS => self.read_authority_access(value, extension.is_critical)?,
            _ => return Some(false),
        }
        Some(true)
    }

    fn read_basic_constraints(&mut self, mut value: Reader<'_>) -> Option<()> {
        let mut constraints = value.enter(SEQUENCE)?;
        self.has_constraints = true;
        self.is_authority = if constraints.is_next(BOOLEAN) { constraints.boolean()? } else { false };
        self.path_limit = if constraints.is_next(INTEGER) { constraints.small()? } else { -1 };
        (self.path_limit >= -1).then_some(())
    }

    fn read_purposes(&mut self, mut value: Reader<'_>) -> Option<()> {
        let mut purposes = value.enter(SEQUENCE)?;
        while !purposes.is_empty() {
            let purpose = purposes.oid()?;
            match PURPOSES.iter().position(|known| *known == purpose) {
                Some(number) => self.purposes.push(number),
                None => self.unknown_purposes.push(purpose),
            }
        }
        Some(())
    }

    fn read_policy_constraints(&mut self, mut value: Reader<'_>) -> Option<()> {
        let mut constraints = value.enter(SEQUENCE)?;
        let number = |content: &[u8]| i64::try_from(integer(content)?).ok();
        if let Some(content) = constraints.optional(field(0))? {
            self.require_policy = Some(number(content)?);
        }
        if let Some(content) = constraints.optional(field(1))? {
            self.inhibit_mapping = Some(number(content)?);
        }
        Some(())
    }

    fn read_authority_access(&mut self, mut value: Reader<'_>, is_critical: bool) -> Option<()> {
        let mut accesses = value.enter(SEQUENCE).filter(|_| !is_critical)?;
        while !accesses.is_empty() {
            let mut access = accesses.enter(SEQUENCE)?;
            let method = access.oid()?;
            let Some(url) = access.optional(field(6))? else { continue };
            match method.as_slice() {
                [1, 3, 6, 1, 5, 5, 7, 48, 1] => self.ocsp_servers.push(url.to_vec()),
                [1, 3, 6, 1, 5, 5, 7, 48, 2] => self.issuer_urls.push(url.to_vec()),
                _ => {}
            }
        }
        Some(())
    }

    /// The fields that Go's structure has for extensions.
    pub(crate) fn entries(&self) -> Vec<(&'static str, Value)> {
        let bytes = |bytes: &Option<Vec<u8>>| bytes.as_deref().map_or(Value::Null, base64_of);
        let raw_texts = |texts: &[Vec<u8>]| list(texts.iter().cloned().map(text_of_bytes).collect());
        let oids = |oids: &[Vec<u32>]| list(oids.iter().map(|oid| oid_value(oid)).collect());
        let mut entries = vec![
            ("UnhandledCriticalExtensions", oids(&self.unhandled)),
            ("KeyUsage", self.key_usage.into()),
            ("ExtKeyUsage", list(self.purposes.iter().map(|number| Value::from(*number)).collect())),
            ("UnknownExtKeyUsage", oids(&self.unknown_purposes)),
            ("BasicConstraintsValid", self.has_constraints.into()),
            ("IsCA", self.is_authority.into()),
            ("MaxPathLen", self.path_limit.into()),
            ("MaxPathLenZero", (self.has_constraints && self.path_limit == 0).into()),
            ("SubjectKeyId", bytes(&self.key_id)),
            ("AuthorityKeyId", bytes(&self.authority_key_id)),
            ("OCSPServer", raw_texts(&self.ocsp_servers)),
            ("IssuingCertificateURL", raw_texts(&self.issuer_urls)),
            ("CRLDistributionPoints", raw_texts(&self.revocation_urls)),
            ("PermittedDNSDomainsCritical", self.has_critical_subtrees.into()),
            ("PermittedDNSDomains", texts(&self.permitted.domains)),
            ("ExcludedDNSDomains", texts(&self.excluded.domains)),
            ("PermittedIPRanges", self.permitted.networks_value()),
            ("ExcludedIPRanges", self.excluded.networks_value()),
            ("PermittedEmailAddresses", texts(&self.permitted.emails)),
            ("ExcludedEmailAddresses", texts(&self.excluded.emails)),
            ("PermittedURIDomains", texts(&self.permitted.url_domains)),
            ("ExcludedURIDomains", texts(&self.excluded.url_domains)),
        ];
        entries.extend(self.names.entries());
        entries.extend(self.policy_entries());
        entries
    }

    fn policy_entries(&self) -> Vec<(&'static str, Value)> {
        let policies = self.policies.as_deref().unwrap_or_default();
        let identifiers = policies.iter().filter_map(|policy| oid_parts(policy)).map(|parts| oid_value(&parts));
        let identifiers = self.policies.as_ref().map_or(Value::Null, |_| Value::array(identifiers.collect()));
        let text = |oid: &Vec<u8>| Value::from(dotted(oid));
        let mapping = |(issuer, subject): &(Vec<u8>, Vec<u8>)| {
            fields(vec![("IssuerDomainPolicy", text(issuer)), ("SubjectDomainPolicy", text(subject))])
        };
        let count = |number: Option<i64>| Value::from(number.unwrap_or_default());
        let is_zero = |number: Option<i64>| Value::from(number == Some(0));
        vec![
            ("PolicyIdentifiers", identifiers),
            ("Policies", list(policies.iter().map(text).collect())),
            ("PolicyMappings", list(self.policy_mappings.iter().map(mapping).collect())),
            ("InhibitAnyPolicy", count(self.inhibit_any_policy)),
            ("InhibitAnyPolicyZero", is_zero(self.inhibit_any_policy)),
            ("InhibitPolicyMapping", count(self.inhibit_mapping)),
            ("InhibitPolicyMappingZero", is_zero(self.inhibit_mapping)),
            ("RequireExplicitPolicy", count(self.require_policy)),
            ("RequireExplicitPolicyZero", is_zero(self.require_policy)),
        ]
    }
}

fn read_key_id(mut value: Reader<'_>, is_critical: bool) -> Option<Vec<u8>> {
    value.read(OCTET_STRING).filter(|_| !is_critical).map(<[u8]>::to_vec)
}

fn read_authority_key_id(mut value: Reader<'_>, is_critical: bool) -> Option<Option<Vec<u8>>> {
    let mut id = value.enter(SEQUENCE).filter(|_| !is_critical)?;
    Some(id.optional(field(0))?.map(<[u8]>::to_vec))
}

fn read_key_usage(mut value: Reader<'_>) -> Option<i64> {
    let bits = value.bits()?;
    Some((0..9).filter(|bit| bits.at(*bit)).map(|bit| 1 << bit).sum())
}

fn read_distribution_points(mut value: Reader<'_>) -> Option<Vec<Vec<u8>>> {
    let mut points = value.enter(SEQUENCE)?;
    let mut urls = Vec::new();
    while !points.is_empty() {
        let mut point = points.enter(SEQUENCE)?;
        let Some(name) = point.optional(constructed(0))? else { continue };
        let mut names = Reader(name).enter(constructed(0))?;
        while names.is_next(field(6)) {
            urls.push(names.read(field(6))?.to_vec());
        }
    }
    Some(urls)
}

fn read_policies(mut value: Reader<'_>) -> Option<Vec<Vec<u8>>> {
    let mut sequence = value.enter(SEQUENCE)?;
    let mut policies: Vec<Vec<u8>> = Vec::new();
    while !sequence.is_empty() {
        let policy = sequence.enter(SEQUENCE)?.read(OBJECT_IDENTIFIER)?.to_vec();
        if policies.contains(&policy) || !is_oid(&policy) {
            return None;
        }
        policies.push(policy);
    }
    Some(policies)
}

fn read_policy_mappings(mut value: Reader<'_>) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut sequence = value.enter(SEQUENCE)?;
    let mut mappings = Vec::new();
    while !sequence.is_empty() {
        let mut mapping = sequence.enter(SEQUENCE)?;
        let [issuer, subject] = [mapping.read(OBJECT_IDENTIFIER)?, mapping.read(OBJECT_IDENTIFIER)?];
        mappings.push((issuer.to_vec(), subject.to_vec()));
    }
    Some(mappings)
}

/// Whether the content is that of an object identifier, however large its parts.
fn is_oid(content: &[u8]) -> bool {
    let mut is_start = true;
    let is_short = content.iter().all(|byte| {
        let is_good = !(is_start && *byte == 0x80);
        is_start = byte & 0x80 == 0;
        is_good
    });
    is_short && is_start && !content.is_empty()
}

/// The parts of an object identifier's content with dots between.
fn dotted(content: &[u8]) -> String {
    let mut parts: Vec<BigUint> = Vec::new();
    let mut part = BigUint::ZERO;
    for byte in content {
        part = (part << 7) + (byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if parts.is_empty() {
            let first = (&part / 40_u32).min(BigUint::from(2_u8));
            part -= &first * 40_u32;
            parts.push(first);
        }
        parts.push(std::mem::take(&mut part));
    }
    parts.iter().map(BigUint::to_string).collect::<Vec<_>>().join(".")
}
