//! An API server that is gone, stands still, or cannot be trusted: replicas answer from what they know, say what is wrong
//! without end but not without measure, and go on by themselves when it is back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::environment::{AdmitServer, Environment, User, wait_until};
use super::{LATER, apply_constraint, judge};
use crate::it::fake_cluster::FakeCluster;

/// What a replica may need after the API server is back, and its own promise is 5 s.
const RECOVERY: Duration = Duration::from_secs(15);

fn template(kind: &str) -> Value {
    let rego = format!("package says\nviolation[{{\"msg\": \"{kind} says no\"}}] {{ true }}\n");
    json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": kind.to_lowercase()}, "spec": {"crd": {"spec": {"names": {"kind": kind}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}})
}

fn constraint(kind: &str) -> Value {
    json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": kind.to_lowercase()},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["ConfigMap"]}]}}})
}

/// A cluster with admit's CRDs and one policy, `K8sBefore`.
fn prepare(environment: &'static Environment) -> AdmitServer {
    super::apply_crds(environment);
    let admit = AdmitServer::start(environment, &["--shutdown-delay=0"]);
    environment.apply(&template("K8sBefore").to_string()).checked();
    apply_constraint(environment, &constraint("K8sBefore"));
    assert!(
        wait_until(LATER, || judge(environment, &admit, "default").contains("K8sBefore says no")),
        "{}",
        admit.log()
    );
    admit
}

/// For so long, the replica is ready, and denies what it has denied before.
fn check_it_answers(environment: &Environment, admit: &AdmitServer, time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        assert!(admit.is_ready(), "{}", admit.readiness());
        let judgement = judge(environment, admit, "default");
        assert!(judgement.contains("K8sBefore says no"), "{judgement}\n{}", admit.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// How long it takes from a new template to a verdict by it.
fn time_to_enforce(environment: &'static Environment, admit: &AdmitServer, kind: &str) -> Duration {
    let begun = Instant::now();
    environment.apply(&template(kind).to_string()).checked();
    apply_constraint(environment, &constraint(kind));
    let is_enforced = || judge(environment, admit, "default").contains(&format!("{kind} says no"));
    assert!(wait_until(RECOVERY, is_enforced), "{}", admit.log());
    begun.elapsed()
}

#[test]
fn an_api_server_that_is_killed_and_comes_back() {
    let (_turn, environment) = Environment::to_break();
    let admit = prepare(environment);
    let (lines, used) = (admit.log().lines().count(), admit.processor_time());
    environment.kill_api_server();
    let begun = Instant::now();
    check_it_answers(environment, &admit, Duration::from_secs(10));
    let used = admit.processor_time() - used;
    environment.restart_api_server();
    let back = Instant::now();
    let log = admit.log();
    let said: Vec<&str> = log.lines().skip(lines).collect();
    said.iter().for_each(|line| println!("{line}"));
    println!("{} lines, {used:?} of processor time in {:?}", said.len(), begun.elapsed());
    assert!(said.iter().any(|line| line.contains("not answer as it should")), "{said:#?}");
    assert!(said.len() <= 12, "{said:#?}");
    // With the verdicts that the test asks for.
    assert!(used < Duration::from_secs(4), "{used:?}");

    let took = time_to_enforce(environment, &admit, "K8sAfter");
    println!("enforced after {took:?}, {:?} after the API server was back", back.elapsed());
    assert!(took < RECOVERY, "{took:?}");
    let is_over = || admit.log().contains("the API server answers again");
    assert!(wait_until(LATER * 2, is_over), "{}", admit.log());
}

#[test]
fn an_api_server_that_stands_still_for_a_while() {
    let (_turn, environment) = Environment::to_break();
    let admit = prepare(environment);
    let lines = admit.log().lines().count();
    environment.signal_api_server("STOP");
    check_it_answers(environment, &admit, Duration::from_secs(8));
    // Who has never known any policy judges nothing.
    let newcomer = AdmitServer::begin(environment, &["--shutdown-delay=0"]);
    assert!(wait_until(LATER, || newcomer.readiness().contains("policies are still being loaded")));
    check_it_answers(environment, &admit, Duration::from_secs(12));
    assert!(!newcomer.is_ready(), "{}", newcomer.log());
    let refusal = judge(environment, &newcomer, "default");
    assert!(refusal.starts_with("policies are still being loaded"), "let through for want of policies? {refusal}");
    environment.signal_api_server("CONT");
    let took = time_to_enforce(environment, &admit, "K8sAfter");
    println!("enforced after {took:?}");
    assert!(wait_until(RECOVERY, || newcomer.is_ready()), "{}", newcomer.log());
    assert!(judge(environment, &newcomer, "default").contains("K8sBefore says no"), "{}", newcomer.log());
    let log = admit.log();
    assert!(log.lines().skip(lines).count() <= 30, "{log}");
}

#[test]
fn an_api_server_that_cannot_be_trusted() {
    let (_turn, environment) = Environment::to_break();
    environment.apply_file("crds").checked();
    let directory = environment.directory("untrusted");
    let text = std::fs::read_to_string(environment.kubeconfig(User::Admit)).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    let stranger = admit::server::self_signed().unwrap();
    std::fs::write(directory.join("ca.crt"), stranger.authority).unwrap();
    config["clusters"][0]["cluster"]["certificate-authority"] = json!(directory.join("ca.crt"));
    let kubeconfig = directory.join("kubeconfig");
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let mut admit =
        AdmitServer::begin(environment, &["--shutdown-delay=0", &format!("--kubeconfig={}", kubeconfig.display())]);
    // Whichever request failed first is the one that is told of.
    let names_the_cause = || admit.log().contains("invalid peer certificate: UnknownIssuer");
    assert!(wait_until(LATER, names_the_cause), "{}", admit.log());
    std::thread::sleep(Duration::from_secs(6));
    assert!(
        !admit.is_ready() && admit.readiness().contains("policies are still being loaded"),
        "{}",
        admit.readiness()
    );
    let log = admit.log();
    assert!(log.lines().count() <= 8, "{log}");
    assert_eq!(admit.has_ended(), None, "{log}");
}

#[test]
fn an_api_server_that_does_not_want_to_be_asked() {
    let environment = Environment::shared();
    let cluster = FakeCluster::start(&[template("K8sBefore"), constraint("K8sBefore"), namespace("default")]);
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    for code in [429, 500] {
        cluster.answer_with(code);
        let admit = AdmitServer::begin(environment, &["--shutdown-delay=0", "--operation=webhook", &kubeconfig]);
        let names_the_cause = || admit.log().contains(&format!("not well (HTTP status {code})"));
        assert!(wait_until(LATER, names_the_cause), "{code}: {}", admit.log());
        let (before, used) = (cluster.requests(), admit.processor_time());
        std::thread::sleep(Duration::from_secs(8));
        let (requests, used) = (cluster.requests() - before, admit.processor_time() - used);
        let log = admit.log();
        println!("{code}: {requests} requests, {} lines, {used:?}", log.lines().count());
        assert!(admit.readiness().contains("policies are still being loaded"), "{log}");
        // Five watches, whose rests double.
        assert!(requests <= 60 && log.lines().count() <= 8 && used < Duration::from_secs(2), "{log}");
        let refusal = judge(environment, &admit, "default");
        assert!(refusal.starts_with("policies are still being loaded"), "let through for want of policies? {refusal}");

        cluster.answer_with(0);
        assert!(wait_until(RECOVERY * 2, || admit.is_ready()), "{}", admit.log());
        // Watches of this cluster stay silent for ever: what was listed is all there is.
        let judgement = judge(environment, &admit, "default");
        assert!(judgement.contains("K8sBefore says no"), "{judgement}");
    }
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}
