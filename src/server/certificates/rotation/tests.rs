//! Replicas that share a Secret and bundles, with clocks that are set by hand.

use super::*;

const NOW: i64 = 2_000_000_000;
const DAY: i64 = 24 * 60 * 60;

fn rotation() -> (Rotation, Certificates) {
    let options = RotationOptions {
        namespace: "gatekeeper-system".to_owned(),
        service: "gatekeeper-webhook-service".to_owned(),
        pause: Duration::from_secs(60),
        validating: Vec::new(),
        mutating: Vec::new(),
    };
    let certificates = Certificates::default();
    (Rotation::new(&options, certificates.clone()), certificates)
}

/// A cluster with one bundle, and a clock.
struct Cluster {
    data: Option<SecretData>,
    bundle: Vec<u8>,
    now: i64,
    instant: Instant,
}

impl Cluster {
    fn new() -> Self {
        Self { data: None, bundle: Vec::new(), now: NOW, instant: Instant::now() }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += i64::try_from(seconds).unwrap();
        self.instant += Duration::from_secs(seconds);
    }

    fn look(&self, replica: &mut Rotation) -> Outcome {
        let bundles = [self.bundle.clone()];
        replica.look(&View {
            data: self.data.as_ref(),
            is_managed_elsewhere: false,
            bundles: Some(&bundles),
            now: self.now,
            instant: self.instant,
        })
    }

    /// One look, and what comes of it; whether something came of it.
    fn act(&mut self, replica: &mut Rotation) -> bool {
        let outcome = self.look(replica);
        let improved = replica.improved_bundle(&self.bundle, self.now, self.instant);
        let has_changed = outcome.write.is_some() || improved.is_some();
        self.data = outcome.write.or_else(|| self.data.take());
        self.bundle = improved.unwrap_or_else(|| std::mem::take(&mut self.bundle));
        has_changed
    }

    fn settle(&mut self, replica: &mut Rotation) {
        for _ in 0..10 {
            if !self.act(replica) {
                return;
            }
        }
        panic!("a replica finds no rest");
    }

    /// Whether an API server that knows only the bundle takes what the replica serves.
    fn trusts(&self, replica: &Rotation) -> bool {
        let authorities = bundle::authorities(&self.bundle).unwrap();
        let served = replica.served.as_ref().unwrap();
        served.authorities.iter().all(|one| authorities.contains(one))
    }
}

#[test]
fn from_nothing_one_is_made_served_and_trusted() {
    let mut cluster = Cluster::new();
    let (mut replica, certificates) = rotation();
    assert!(certificates.current.read().unwrap().is_none());
    cluster.settle(&mut replica);
    assert!(certificates.current.read().unwrap().is_some() && cluster.trusts(&replica));
    assert!(cluster.look(&mut replica).is_ready);
    cluster.bundle.clear();
    assert!(!cluster.look(&mut replica).is_ready);
    cluster.settle(&mut replica);
    assert!(cluster.trusts(&replica), "a wiped bundle comes back");
}

#[test]
fn two_replicas_are_trusted_all_the_time_while_authority_and_certificate_change() {
    let mut cluster = Cluster::new();
    let ((mut one, _), (mut other, _)) = (rotation(), rotation());
    cluster.settle(&mut one);
    cluster.settle(&mut other);
    let first = cluster.data.clone().unwrap();
    // Ten years in leaps of three weeks; after each, one replica looks twice as often as the other.
    for round in 0..200_u32 {
        cluster.pass(21 * 24 * 60 * 60);
        for turn in 0..8 {
            cluster.pass(31);
            cluster.act(&mut one);
            assert!(cluster.trusts(&one) && cluster.trusts(&other), "round {round}, turn {turn}");
            if turn % 2 == 1 {
                cluster.act(&mut other);
                assert!(cluster.trusts(&one) && cluster.trusts(&other), "round {round}, turn {turn}");
            }
        }
        for replica in [&one, &other] {
            let served = replica.served.as_ref().unwrap();
            assert!(served.leaf_ends.min(served.authority_ends).0 > cluster.now, "round {round}");
        }
    }
    let last = cluster.data.clone().unwrap();
    assert_ne!(first.get("ca.crt"), last.get("ca.crt"));
    assert!(bundle::authorities(&cluster.bundle).unwrap().len() == 1, "the old authority is gone");
}

#[test]
fn a_replica_may_die_at_any_step() {
    let mut cluster = Cluster::new();
    let (mut living, _) = rotation();
    cluster.settle(&mut living);
    let authority_ends = NOW + 3_650 * DAY;
    cluster.data = {
        let data = cluster.data.clone().unwrap();
        let name = living.name.clone();
        Step::Sign(String::new()).apply(Some(&data), &name, Second(authority_ends - 100 * DAY)).unwrap()
    };
    cluster.now = authority_ends - 80 * DAY;
    let before = cluster.data.clone().unwrap();
    // Each replica lives for one act; what it knew is lost. Time enough passes only for the last.
    for _ in 0..20 {
        let (mut short, _) = rotation();
        cluster.act(&mut short);
        cluster.pass(100);
        cluster.act(&mut living);
        assert!(cluster.trusts(&short) && cluster.trusts(&living));
    }
    assert_ne!(cluster.data.unwrap().get("ca.crt"), before.get("ca.crt"), "it was changed all the same");
}

#[test]
fn what_replaces_the_secret_by_hand_is_served_only_when_it_is_trusted() {
    let mut cluster = Cluster::new();
    let ((mut one, _), (mut other, _)) = (rotation(), rotation());
    cluster.settle(&mut one);
    cluster.settle(&mut other);
    let before = one.served.clone().unwrap();
    cluster.data = None;
    cluster.settle(&mut one);
    cluster.settle(&mut other);
    for replica in [&one, &other] {
        assert!(replica.served.as_ref().unwrap().key.cert == before.key.cert && cluster.trusts(replica));
    }
    assert_eq!(bundle::authorities(&cluster.bundle).unwrap().len(), 2, "both, before the new one is served");
    cluster.pass(61);
    cluster.settle(&mut one);
    cluster.settle(&mut other);
    for replica in [&one, &other] {
        assert!(replica.served.as_ref().unwrap().key.cert != before.key.cert && cluster.trusts(replica));
    }
    cluster.pass(25 * 60 * 60);
    cluster.settle(&mut one);
    assert_eq!(bundle::authorities(&cluster.bundle).unwrap().len(), 1, "the old one went after a day");
}

#[test]
fn a_break_in_trust_starts_the_pause_again() {
    let mut trust = Trust::default();
    let begun = Instant::now();
    let at = |seconds| begun + Duration::from_secs(seconds);
    let (mut cluster, (mut replica, _)) = (Cluster::new(), rotation());
    cluster.settle(&mut replica);
    let authorities = bundle::authorities(&cluster.bundle).unwrap();
    let (with, without) = (authorities.clone(), Vec::new());
    trust.note(None, at(0));
    assert_eq!(trust.of(&authorities, at(0)), None, "not all configurations are known");
    trust.note(Some(&[with.clone(), with.clone()]), at(10));
    assert_eq!(trust.of(&authorities, at(15)), Some(Duration::from_secs(5)));
    trust.note(Some(&[with.clone(), without]), at(20));
    assert_eq!(trust.of(&authorities, at(20)), None);
    trust.note(Some(&[with.clone(), with]), at(30));
    assert_eq!(trust.of(&authorities, at(31)), Some(Duration::from_secs(1)));
    trust.note(Some(&[]), at(32));
    assert_eq!(trust.of(&authorities, at(32)), Some(Duration::MAX), "nobody calls");
}
