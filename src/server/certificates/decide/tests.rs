//! Every state of the Secret at every time, without a clock that runs.

use super::*;

const NAME: &str = "gatekeeper-webhook-service.gatekeeper-system.svc";
const DAY: i64 = 24 * 60 * 60;
const NOW: Second = Second(2_000_000_000);
const PAUSE: Duration = Duration::from_secs(60);

fn days(count: i64) -> Second {
    Second(NOW.0 + count * DAY)
}

/// Made at that time.
fn made(at: Second) -> SecretData {
    Step::Make(String::new()).apply(None, NAME, at).unwrap().unwrap()
}

fn signed(data: &SecretData, at: Second) -> SecretData {
    Step::Sign(String::new()).apply(Some(data), NAME, at).unwrap().unwrap()
}

fn prepared(data: &SecretData, at: Second) -> SecretData {
    Step::Prepare(String::new()).apply(Some(data), NAME, at).unwrap().unwrap()
}

/// With keys put over those of the first.
fn with(data: &SecretData, other: &SecretData, keys: &[&str]) -> SecretData {
    let mut data = data.clone();
    for key in keys {
        match other.get(*key) {
            Some(value) => data.insert((*key).to_owned(), value.clone()),
            None => data.remove(*key),
        };
    }
    data
}

fn situation(data: Option<&SecretData>, now: Second) -> Situation<'_> {
    Situation { data, is_managed_elsewhere: false, name: NAME, now, next_trusted: None, pause: PAUSE }
}

fn step(data: &SecretData, now: Second) -> Step {
    decide(&situation(Some(data), now)).step
}

/// The step, and that it leads to what can be served and is kept.
fn check(data: &SecretData, now: Second, expected: &str) -> SecretData {
    let step = step(data, now);
    assert!(format!("{step:?}").starts_with(expected), "{expected}: {step:?}");
    let after = step.apply(Some(data), NAME, now).unwrap().unwrap_or_else(|| data.clone());
    let decision = decide(&situation(Some(&after), now));
    assert!(decision.in_service.is_some(), "{expected}");
    assert_eq!(decision.step, Step::Keep, "{expected}");
    after
}

#[test]
fn what_is_missing_or_empty_is_made() {
    assert!(matches!(decide(&situation(None, NOW)).step, Step::Make(_)));
    check(&SecretData::new(), NOW, r#"Make("tls.crt is missing")"#);
    let empty = ["ca.crt", "ca.key", "tls.crt", "tls.key"].map(|key| (key.to_owned(), Vec::new()));
    check(&SecretData::from(empty), NOW, r#"Make("tls.crt is missing")"#);
    let other = check(&SecretData::from([("other".to_owned(), b"x".to_vec())]), NOW, "Make");
    assert_eq!(other.get("other").map(Vec::as_slice), Some(&b"x"[..]), "keys that are not ours stay");
}

#[test]
fn times_are_gatekeepers() {
    let data = made(NOW);
    let identity = decide(&situation(Some(&data), NOW)).in_service.unwrap();
    assert_eq!((identity.leaf_ends, identity.authority_ends), (days(365), days(3_650)));
    // An hour of skew in either direction is nothing.
    assert_eq!(step(&data, Second(NOW.0 - 3_600)), Step::Keep);
    assert_eq!(step(&data, days(274)), Step::Keep);
    let renewed = check(&data, days(276), "Sign(\"the certificate ends at ");
    assert_eq!(renewed.get("ca.crt"), data.get("ca.crt"));
    assert_ne!(renewed.get("tls.crt"), data.get("tls.crt"));
    check(&data, days(400), "Sign(\"tls.crt has expired at ");
    check(&data, days(3_700), "Make");
}

#[test]
fn a_new_authority_waits_until_it_is_trusted() {
    let data = signed(&made(NOW), days(3_500));
    assert_eq!(step(&data, days(3_550)), Step::Keep);
    let now = days(3_561);
    let Step::Prepare(_) = step(&data, now) else { panic!("{:?}", step(&data, now)) };
    let both = check(&data, now, "Prepare(\"the authority ends at ");
    for key in KEYS {
        assert_eq!(both.get(key), data.get(key), "what is in service stays");
    }
    let trusted = |seconds: Option<u64>| {
        let next_trusted = seconds.map(Duration::from_secs);
        decide(&Situation { next_trusted, ..situation(Some(&both), now) }).step
    };
    assert_eq!([None, Some(0), Some(59)].map(trusted), [Step::Keep, Step::Keep, Step::Keep]);
    assert_eq!(trusted(Some(60)), Step::Promote);
    let after = Step::Promote.apply(Some(&both), NAME, now).unwrap().unwrap();
    assert_eq!(after.keys().map(String::as_str).collect::<Vec<_>>(), KEYS);
    assert_eq!(after.get("ca.crt"), both.get("next-ca.crt"));
    assert_eq!(step(&after, now), Step::Keep);
    // What is in service breaks meanwhile: its authority is trusted still. When that ends, nothing is left to wait for.
    check(&with(&both, &made(now), &["tls.key"]), now, "Sign");
    let expired = decide(&situation(Some(&both), days(3_651)));
    assert_eq!((expired.step, expired.next.is_some()), (Step::Promote, true));
}

#[test]
fn broken_secrets_are_repaired_with_the_reason() {
    let (data, foreign) = (made(NOW), made(NOW));
    let garbage = SecretData::from(KEYS.map(|key| (key.to_owned(), b"not PEM".to_vec())));
    let none = SecretData::new();
    for (broken, expected) in [
        (with(&data, &foreign, &["tls.key"]), r#"Sign("tls.key does not belong to tls.crt")"#),
        (with(&data, &foreign, &["tls.crt", "tls.key"]), "Sign(\"tls.crt does not lead to ca.crt: "),
        (with(&data, &garbage, &["tls.crt"]), r#"Sign("tls.crt is not in PEM form")"#),
        (with(&data, &garbage, &["tls.key"]), r#"Sign("tls.key is not in PEM form")"#),
        (with(&data, &garbage, &["ca.crt"]), r#"Make("ca.crt is not in PEM form")"#),
        (with(&data, &none, &["tls.key"]), r#"Sign("tls.key is missing")"#),
        (with(&data, &none, &["ca.crt"]), r#"Make("ca.crt is missing")"#),
        (with(&data, &foreign, &["ca.crt", "tls.key"]), r#"Make("tls.key does not belong to tls.crt")"#),
        (garbage.clone(), r#"Make("tls.crt is not in PEM form")"#),
    ] {
        check(&broken, NOW, expected);
    }
    let elsewhere = Step::Make(String::new()).apply(None, "elsewhere.default.svc", NOW).unwrap().unwrap();
    check(&elsewhere, NOW, &format!("Sign(\"tls.crt is not for {NAME}\")"));
}

#[test]
fn a_key_that_is_not_the_authoritys_is_replaced_in_time_and_not_before() {
    let data = with(&made(NOW), &made(NOW), &["ca.key"]);
    assert_eq!(step(&data, NOW), Step::Keep);
    check(&data, days(300), "Prepare(\"the certificate ends at ");
    let broken = with(&prepared(&data, NOW), &SecretData::new(), &["next-tls.key"]);
    let after = check(&broken, NOW, r#"Discard("next-tls.key is missing")"#);
    assert_eq!(after, data);
}

#[test]
fn certificates_of_somebody_else_are_used_and_never_overwritten() {
    let data = with(&made(NOW), &SecretData::new(), &["ca.key"]);
    for day in [0, 276, 350] {
        let decision = decide(&situation(Some(&data), days(day)));
        assert_eq!((decision.in_service.is_some(), decision.step), (true, Step::Keep));
    }
    assert!(matches!(step(&data, days(360)), Step::Complain(_)));
    // Ended, and nobody sees to it: better ours than none. Unless cert-manager says that it is its Secret.
    assert!(matches!(step(&data, days(366)), Step::Make(_)));
    let theirs = Situation { is_managed_elsewhere: true, ..situation(Some(&data), days(366)) };
    assert!(matches!(decide(&theirs).step, Step::Complain(_)));
    let empty = SecretData::new();
    let theirs = Situation { data: Some(&empty), ..theirs };
    assert!(matches!(decide(&theirs).step, Step::Complain(_)));
}

#[test]
fn a_certificate_of_a_clock_that_was_ahead_is_made_anew() {
    let data = made(days(2));
    let Step::Make(why) = step(&data, NOW) else { panic!("{:?}", step(&data, NOW)) };
    assert!(why.contains("tls.crt is not valid before") || why.contains("ca.crt is not valid before"), "{why}");
    assert!(why.contains("clock"), "{why}");
    // Up to an hour, nobody notices.
    assert_eq!(step(&made(Second(NOW.0 + 60 * 60)), NOW), Step::Keep);
    assert!(matches!(step(&made(Second(NOW.0 + 60 * 60 + 1)), NOW), Step::Make(_)));
}

#[test]
fn an_authority_on_rsa_as_gatekeeper_makes_it_signs_on() {
    // 2048 bits, serial number 0, the key in PKCS #1; made for this test, and trusted by nobody.
    let data = SecretData::from([
        ("ca.crt".to_owned(), include_bytes!("gatekeeper_ca.crt").to_vec()),
        ("ca.key".to_owned(), include_bytes!("gatekeeper_ca.key").to_vec()),
    ]);
    let now = Second(1_900_000_000);
    assert!(Authority::read(&data, Slot::InService).is_some_and(|authority| authority.is_valid(now)));
    check(&data, now, r#"Sign("tls.crt is missing")"#);
}
