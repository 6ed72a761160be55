//! A `caBundle`: which authorities are in it, and what it should be instead.

use std::collections::BTreeSet;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// An authority, by its bytes.
pub(in crate::server) type Authority = CertificateDer<'static>;

/// The authorities in a bundle; none in one that cannot be read.
pub(in crate::server) fn authorities(bundle: &[u8]) -> Option<Vec<Authority>> {
    CertificateDer::pem_slice_iter(bundle).collect::<Result<_, _>>().ok()
}

/// The bundle in place of `found`; `None` when that will do as it is. What is `wanted` is added at once; what else was
/// there stays until it `may_go`, because a replica may serve by it that does not know yet what we know.
pub(super) fn improved(found: &[u8], wanted: &[Authority], may_go: impl Fn(&Authority) -> bool) -> Option<Vec<u8>> {
    let present = authorities(found);
    let is_readable = present.is_some();
    let present = present.unwrap_or_default();
    let has_all = wanted.iter().all(|one| present.contains(one));
    let stays = |one: &&Authority| !wanted.contains(one) && !may_go(one);
    let others: Vec<_> = present.iter().filter(stays).collect();
    let is_tidy = present.iter().all(|one| wanted.contains(one) || others.contains(&one));
    if wanted.is_empty() || (is_readable && has_all && is_tidy) {
        return None;
    }
    let mut seen = BTreeSet::new();
    let all = wanted.iter().chain(others).filter(|one| seen.insert(one.to_vec()));
    Some(all.map(pem).collect::<String>().into_bytes())
}

fn pem(certificate: &Authority) -> String {
    use std::fmt::Write;
    let text = base64(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        // Writing to a String does not fail.
        let _ = writeln!(pem, "{line}");
        rest = after;
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// As the API server writes bytes in JSON.
fn base64(bytes: &[u8]) -> String {
    let quoted = serde_json::to_string(&k8s_openapi::ByteString(bytes.to_vec())).unwrap_or_default();
    quoted.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(name: &str) -> Authority {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn bundle(all: &[&Authority]) -> Vec<u8> {
        all.iter().map(|one| pem(one)).collect::<String>().into_bytes()
    }

    #[test]
    fn what_is_wanted_is_added_and_what_was_there_stays_until_it_may_go() {
        let (old, new) = (authority("old"), authority("new"));
        let wanted = [new.clone()];
        let keep = |_: &Authority| false;
        for (found, expected) in [
            (bundle(&[]), Some(bundle(&[&new]))),
            (b"\n".to_vec(), Some(bundle(&[&new]))),
            (b"-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n".to_vec(), Some(bundle(&[&new]))),
            (bundle(&[&old]), Some(bundle(&[&new, &old]))),
            (bundle(&[&old, &new]), None),
            (bundle(&[&new]), None),
        ] {
            assert_eq!(improved(&found, &wanted, keep), expected);
        }
        assert_eq!(improved(&bundle(&[&old, &new]), &wanted, |one| *one == old), Some(bundle(&[&new])));
        assert_eq!(improved(&bundle(&[&old]), &[], keep), None, "nothing to say yet");
        assert_eq!(authorities(&bundle(&[&old, &new])), Some(vec![old, new]));
    }
}
