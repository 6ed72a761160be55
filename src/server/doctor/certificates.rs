//! Whether the API server trusts what a webhook serves, and for how long yet.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use super::{Facts, Finding, Severity, Target, Webhook};
use crate::model::object::Object;
use crate::server::certificates::{Fault, Second, authorities, ends, judge_chain, parse};

const DAY: i64 = 24 * 60 * 60;
/// Rotation that works has renewed long before.
const SOON: i64 = 30 * DAY;
const URGENT: i64 = 7 * DAY;

type Certificate = CertificateDer<'static>;

/// The checks of this theme.
pub(super) fn check(facts: &Facts, all: &[Webhook]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = all.iter().flat_map(|webhook| check_one(facts, webhook)).collect();
    findings.extend(secret(facts));
    findings
}

fn check_one(facts: &Facts, webhook: &Webhook) -> Vec<Finding> {
    let bundle = webhook.bundle();
    let trusted = match authorities(&bundle) {
        _ if bundle.trim_ascii().is_empty() => return no_bundle(webhook).into_iter().collect(),
        Some(trusted) if !trusted.is_empty() => trusted,
        _ => return vec![unreadable(webhook)],
    };
    let mut findings: Vec<Finding> = end_of_bundle(facts, webhook, &trusted).into_iter().collect();
    if let Some((chain, name)) = served(facts, webhook) {
        findings.extend(serving(facts, webhook, &chain, &trusted, &name));
    }
    findings
}

fn no_bundle(webhook: &Webhook) -> Option<Finding> {
    let (severity, found) = match webhook.target {
        Target::Service { .. } => (webhook.severity_of_outage(), "caBundle is empty".to_owned()),
        _ => (Severity::NotChecked, "caBundle is empty: the authorities of the API server's machine count".to_owned()),
    };
    Some(Finding {
        found,
        why: "what no authority has signed that the API server trusts is not asked".to_owned(),
        help: "admit serve writes it, unless --disable-cert-rotation is given; with cert-manager, annotate the \
               configuration: cert-manager.io/inject-ca-from: NAMESPACE/CERTIFICATE"
            .to_owned(),
        ..webhook.finding(severity, "ca-bundle", "clientConfig.caBundle")
    })
}

fn unreadable(webhook: &Webhook) -> Finding {
    Finding {
        found: "caBundle holds no certificate in PEM form".to_owned(),
        why: "the API server cannot call it".to_owned(),
        help: format!("{}; remove caBundle, for admit serve to write it anew", webhook.edit()),
        ..webhook.finding(webhook.severity_of_outage(), "ca-bundle", "clientConfig.caBundle")
    }
}

/// The authority that lasts longest counts: the others may be left from a rotation.
fn end_of_bundle(facts: &Facts, webhook: &Webhook, trusted: &[Certificate]) -> Option<Finding> {
    let end = trusted.iter().filter_map(|one| parse(one).map(|parsed| ends(&parsed))).max()?;
    let (severity, when) = near(facts.now, end, webhook.severity_of_outage())?;
    Some(Finding {
        found: format!("the authority in caBundle {when}"),
        why: "from then on the API server trusts nothing that the webhook serves".to_owned(),
        help: "let admit serve renew it (its log says why it does not), or put a new authority into caBundle before a \
               certificate of it is served"
            .to_owned(),
        ..webhook.finding(severity, "ca-expiry", "clientConfig.caBundle")
    })
}

/// How near the end is, when it is near.
fn near(now: i64, end: Second, worst: Severity) -> Option<(Severity, String)> {
    let left = end.0 - now;
    match left {
        ..=0 => Some((worst, format!("has expired at {end}"))),
        1..URGENT => Some((worst, format!("expires in {} days, at {end}", left / DAY))),
        URGENT..SOON => Some((Severity::Warning, format!("expires in {} days, at {end}", left / DAY))),
        _ => None,
    }
}

/// What is served as far as it is known, and under which name the API server asks for it.
fn served(facts: &Facts, webhook: &Webhook) -> Option<(Vec<Certificate>, String)> {
    match &webhook.target {
        Target::Url(_) => {
            let (host, port) = webhook.address()?;
            Some((facts.served.get(&format!("{host}:{port}"))?.clone().ok()?, host))
        }
        Target::Service { namespace, name, .. } if webhook.is_own => {
            let secret = facts.secret.as_ref()?.as_ref().ok()?.as_ref()?;
            (secret.namespace() == namespace).then(|| (chain(secret), format!("{name}.{namespace}.svc")))
        }
        Target::Service { .. } | Target::Unclear => None,
    }
}

fn chain(secret: &Object) -> Vec<Certificate> {
    let text = secret.field(&["data", "tls.crt"]).cloned();
    let bytes = text.and_then(|text| serde_json::from_value::<k8s_openapi::ByteString>(text).ok()).unwrap_or_default();
    CertificateDer::pem_slice_iter(&bytes.0).filter_map(Result::ok).collect()
}

fn serving(
    facts: &Facts,
    webhook: &Webhook,
    chain: &[Certificate],
    trusted: &[Certificate],
    name: &str,
) -> Option<Finding> {
    let (leaf, others) = chain.split_first()?;
    let severity = webhook.severity_of_outage();
    let finding = |severity, check, found: String, help: &str| {
        Some(Finding {
            found,
            why: "the API server refuses the webhook's certificate, which is an outage of the webhook".to_owned(),
            help: help.to_owned(),
            ..webhook.finding(severity, check, "clientConfig")
        })
    };
    let end = parse(leaf).map(|parsed| ends(&parsed));
    if let Some((severity, when)) = end.and_then(|end| near(facts.now, end, severity)) {
        let help = "renew it: delete the Secret, for admit serve to make a new one, or see to whoever issues it";
        return finding(severity, "serving-expiry", format!("the certificate that is served {when}"), help);
    }
    match judge_chain(leaf, others, trusted, name, Second(facts.now)).err()? {
        Fault::Name(_) => finding(
            severity,
            "serving-name",
            format!("the certificate that is served is not for {name}"),
            "make it for that name (admit serve --cert-service-name NAME --pod-namespace NAMESPACE), or call the webhook by \
             the name that it is for",
        ),
        Fault::Chain(error) => finding(
            severity,
            "wrong-authority",
            format!("the certificate that is served leads to no authority in caBundle: {error}"),
            "put ca.crt of what is served into caBundle, or let admit serve do so: run it without --disable-cert-rotation",
        ),
        other => finding(severity, "wrong-authority", other.to_string(), "look at what is served"),
    }
}

/// The Secret of admit's own Service.
fn secret(facts: &Facts) -> Option<Finding> {
    let secret = facts.secret.as_ref()?.as_ref().ok()?;
    let finding = |severity, found: String| Finding {
        severity,
        check: "serving-secret",
        object: format!("Secret {}", crate::server::certificates::SECRET),
        field: "data".to_owned(),
        found,
        why: "replicas that start serve what is in it".to_owned(),
        help: "admit serve makes it; when files are served (--disable-cert-rotation), it is not needed".to_owned(),
    };
    let Some(secret) = secret else { return Some(finding(Severity::Warning, "does not exist".to_owned())) };
    let is_there =
        |key: &&str| secret.field(&["data", key]).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let missing: Vec<&str> = ["ca.crt", "tls.crt", "tls.key"].into_iter().filter(|key| !is_there(key)).collect();
    if !missing.is_empty() {
        return Some(finding(Severity::Error, format!("{} missing", missing.join(", "))));
    }
    let chain = chain(secret);
    let Some(end) = chain.first().and_then(|leaf| parse(leaf).map(|parsed| ends(&parsed))) else {
        return Some(finding(Severity::Error, "tls.crt is no certificate in PEM form".to_owned()));
    };
    near(facts.now, end, Severity::Error).map(|(severity, when)| finding(severity, format!("tls.crt {when}")))
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    use serde_json::json;

    use super::super::fixtures::{facts_with, object, validating};
    use super::*;

    struct Authority(CertifiedIssuer<'static, KeyPair>);

    fn time(second: i64) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        // rcgen takes days; a day more or less makes no difference here.
        let date = jiff::Timestamp::from_second(second).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
        let (month, day) = (u8::try_from(date.month()).unwrap(), u8::try_from(date.day()).unwrap());
        params.not_after = rcgen::date_time_ymd(date.year().into(), month, day);
        params
    }

    fn authority(name: &str, end: i64) -> Authority {
        let mut params = time(end);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn leaf(authority: &Authority, name: &str, end: i64) -> (Certificate, String) {
        let mut params = time(end);
        params.subject_alt_names = vec![rcgen::SanType::DnsName(name.try_into().unwrap())];
        let signed = params.signed_by(&KeyPair::generate().unwrap(), &authority.0).unwrap();
        (signed.der().clone(), signed.pem())
    }

    fn base64(text: &str) -> Value {
        serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap()
    }

    const NOW: i64 = 1_800_000_000;
    const YEAR: i64 = 365 * DAY;

    /// The checks that find something, for a webhook with that bundle that serves that certificate.
    fn by_url(bundle: &str, served: &Certificate) -> Vec<(Severity, &'static str)> {
        let webhook = validating(|webhook| webhook["clientConfig"]["caBundle"] = base64(bundle));
        let mut facts = facts_with(&[webhook], &[]);
        facts.served.insert("webhook.example.com:443".to_owned(), Ok(vec![served.clone()]));
        let all = super::super::webhooks(&facts);
        check(&facts, &all).into_iter().map(|one| (one.severity, one.check)).collect()
    }

    #[test]
    fn what_is_served_must_be_trusted_for_its_name_and_last() {
        let name = "webhook.example.com";
        let good = authority("good", NOW + 10 * YEAR);
        let other = authority("other", NOW + 10 * YEAR);
        let (served, _) = leaf(&good, name, NOW + YEAR);
        assert_eq!(by_url(&good.0.pem(), &served), []);
        assert_eq!(by_url(&format!("{}{}", other.0.pem(), good.0.pem()), &served), []);
        assert_eq!(by_url(&other.0.pem(), &served), [(Severity::Error, "wrong-authority")]);
        assert_eq!(by_url("nonsense", &served), [(Severity::Error, "ca-bundle")]);
        assert_eq!(by_url("", &served), [(Severity::NotChecked, "ca-bundle")]);
        let (misnamed, _) = leaf(&good, "elsewhere.example.com", NOW + YEAR);
        assert_eq!(by_url(&good.0.pem(), &misnamed), [(Severity::Error, "serving-name")]);
        for (left, expected) in [
            (-DAY, vec![(Severity::Error, "serving-expiry")]),
            (5 * DAY, vec![(Severity::Error, "serving-expiry")]),
            (20 * DAY, vec![(Severity::Warning, "serving-expiry")]),
            (40 * DAY, vec![]),
        ] {
            let (served, _) = leaf(&good, name, NOW + left);
            assert_eq!(by_url(&good.0.pem(), &served), expected, "{left}");
        }
        let old = authority("old", NOW - DAY);
        let (served, _) = leaf(&old, name, NOW + YEAR);
        assert_eq!(by_url(&old.0.pem(), &served)[0], (Severity::Error, "ca-expiry"));
    }

    #[test]
    fn a_service_serves_what_is_in_the_secret() {
        let good = authority("good", NOW + 10 * YEAR);
        let run = |pem: Option<&str>| {
            let webhook = validating(|webhook| {
                webhook["clientConfig"] = json!({"service": {"namespace": "admit-system", "name": "admit"},
                    "caBundle": base64(&good.0.pem())});
            });
            let mut facts = facts_with(&[webhook], &[]);
            let secret = |pem: &str| {
                object(json!({"apiVersion": "v1", "kind": "Secret",
                    "metadata": {"name": "x", "namespace": "admit-system"},
                    "data": {"ca.crt": base64(&good.0.pem()), "tls.crt": base64(pem), "tls.key": "eA=="}}))
            };
            facts.secret = Some(Ok(pem.map(secret)));
            let all = super::super::webhooks(&facts);
            check(&facts, &all).into_iter().map(|one| (one.severity, one.check)).collect::<Vec<_>>()
        };
        assert_eq!(run(Some(&leaf(&good, "admit.admit-system.svc", NOW + YEAR).1)), []);
        assert_eq!(run(Some(&leaf(&good, "admit.default.svc", NOW + YEAR).1)), [(Severity::Error, "serving-name")]);
        assert_eq!(run(Some("")), [(Severity::Error, "serving-secret")]);
        assert_eq!(run(None), [(Severity::Warning, "serving-secret")]);
    }
}
