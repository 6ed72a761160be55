//! Certificates that admit keeps for itself: made, taken up by every replica, changed under load, repaired.
//!
//! The API server calls through a Service without selectors that names this machine, so that names, bundles and
//! certificates are what they are in a cluster. All tests here share the one Secret, and so take turns.

mod dated;

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::environment::scope::RegisteredWebhook;
use super::environment::{ADMIT_NAMESPACE, AdmitServer, Environment, User, wait_until};
use super::{LATER, apply_constraint, approved_registries, prepared, start_with};

const SECRET: &str = "gatekeeper-webhook-server-cert";
const SERVICE: &str = "gatekeeper-webhook-service";
const NAME: &str = "gatekeeper-webhook-service.admit-system.svc";
const CONFIGURATION: &str = "gatekeeper-validating-webhook-configuration";
const ARGUMENTS: [&str; 3] =
    ["--shutdown-delay=0", "--cert-service-name=gatekeeper-webhook-service", "--cert-rotation-pause=2"];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One test's turn, from a cluster without a Secret and without webhooks.
struct Turn {
    environment: &'static Environment,
    namespace: String,
    _others: MutexGuard<'static, ()>,
}

impl Turn {
    fn begin(name: &str) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let others = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let environment = prepared();
        let service = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": SERVICE, "namespace": ADMIT_NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost"}});
        environment.apply(&service.to_string()).checked();
        let turn = Self { environment, namespace: environment.scope(name).namespace(), _others: others };
        turn.delete_secret();
        turn
    }

    fn delete_secret(&self) {
        self.environment.kubectl(&["delete", "secret", SECRET, "-n", ADMIT_NAMESPACE, "--ignore-not-found"]).checked();
    }

    /// A constraint, and a webhook for each replica, all asked at each request, none of them with a bundle yet.
    fn register(&self, replicas: &[&AdmitServer]) -> RegisteredWebhook {
        apply_constraint(self.environment, &approved_registries(&self.namespace, &self.namespace, "deny"));
        let webhook = |(index, replica): (usize, &&AdmitServer)| {
            json!({"name": format!("replica-{index}.gatekeeper.sh"), "clientConfig": {"service":
                    {"name": SERVICE, "namespace": ADMIT_NAMESPACE, "path": "/v1/admit", "port": replica.port}},
                "rules": [{"apiGroups": [""], "apiVersions": ["*"], "resources": ["pods"], "operations": ["CREATE"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
                "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 5})
        };
        let webhooks: Vec<Value> = replicas.iter().enumerate().map(webhook).collect();
        let configuration = json!({"apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration", "metadata": {"name": CONFIGURATION}, "webhooks": webhooks});
        self.environment.register(&configuration)
    }

    /// What kubectl says about a Pod that every replica denies; each message comes from a webhook that could be called.
    fn probe(&self) -> String {
        let image = "--image=registry.example.com/elsewhere/web:1";
        let arguments = ["run", "probe", image, "-n", &self.namespace, "--dry-run=server"];
        self.environment.kubectl(&arguments).stderr
    }

    fn is_judged(&self) -> bool {
        let text = self.probe();
        text.contains("denied the request") && !text.contains("failed calling")
    }

    fn secret(&self) -> Value {
        let output = self.environment.kubectl(&["get", "secret", SECRET, "-n", ADMIT_NAMESPACE, "-o", "json"]);
        serde_json::from_str::<Value>(&output.stdout).map(|mut secret| secret["data"].take()).unwrap_or_default()
    }

    /// These keys among the others.
    fn put_secret(&self, data: &[(&str, String)]) {
        self.write_secret("apply", data);
    }

    /// These keys and no others.
    fn replace_secret(&self, data: &[(&str, String)]) {
        self.write_secret("replace", data);
    }

    fn write_secret(&self, verb: &str, data: &[(&str, String)]) {
        let data: serde_json::Map<_, _> = data.iter().map(|(key, text)| ((*key).to_owned(), json!(text))).collect();
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "stringData": data,
            "metadata": {"name": SECRET, "namespace": ADMIT_NAMESPACE}});
        self.environment.kubectl_as(User::Admin, &[verb, "-f", "-"], Some(&secret.to_string())).checked();
    }

    /// The bundles, in base64.
    fn bundles(&self) -> Vec<String> {
        self.bundles_of("validatingwebhookconfiguration", CONFIGURATION)
    }

    fn bundles_of(&self, kind: &str, name: &str) -> Vec<String> {
        let output = self.environment.kubectl(&["get", kind, name, "-o", "json"]).checked();
        let configuration: Value = serde_json::from_str(&output.stdout).unwrap();
        let webhooks = configuration["webhooks"].as_array().unwrap();
        webhooks.iter().map(|one| one["clientConfig"]["caBundle"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Shakes hands with each replica again and again, trusting what the bundle was up to a second ago, as an API server
    /// that is slow to notice. (Its own connections would outlive a change of certificate.) What failed, and how many
    /// did not.
    fn shake_hands(&self, replicas: &[&AdmitServer], stop: &AtomicBool) -> (Vec<String>, u32) {
        let (mut failed, mut succeeded) = (Vec::new(), 0);
        while !stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let bundle = self.bundle();
            while asked.elapsed() < Duration::from_secs(1) {
                for replica in replicas {
                    match shake_hands(replica.port, &bundle) {
                        Ok(_) => succeeded += 1,
                        Err(error) => failed.push(format!("{}: {error}", replica.pod_name)),
                    }
                }
            }
        }
        (failed, succeeded)
    }

    /// The bundle of the first webhook, in PEM.
    fn bundle(&self) -> Vec<u8> {
        let path = "jsonpath={.webhooks[0].clientConfig.caBundle}";
        let arguments = ["get", "validatingwebhookconfiguration", CONFIGURATION, "-o", path];
        decode(&self.environment.kubectl(&arguments).checked().stdout)
    }

    #[track_caller]
    fn wait_for_judgement(&self, replicas: &[&AdmitServer]) {
        let logs = || replicas.iter().map(|replica| replica.log()).collect::<Vec<_>>().join("\n");
        assert!(wait_until(LATER, || self.is_judged()), "{}\n{}", self.probe(), logs());
    }
}

fn decode(base64: &str) -> Vec<u8> {
    serde_json::from_value::<k8s_openapi::ByteString>(json!(base64)).unwrap().0
}

/// The certificate that is served under the name of the Service, if the bundle allows it.
fn shake_hands(port: u16, bundle: &[u8]) -> Result<Vec<u8>, String> {
    let mut roots = rustls::RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(bundle) {
        roots.add(authority.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    let mut connection = rustls::ClientConnection::new(config, NAME.try_into().unwrap()).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|error| error.to_string())?;
    }
    Ok(connection.peer_certificates().unwrap()[0].to_vec())
}

/// An authority that ends in so many days, and a certificate of it for the Service: what a Secret holds.
fn certificates(days: u32) -> [(&'static str, String); 4] {
    let now = SystemTime::now();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "gatekeeper-ca");
    params.not_before = (now - DAY).into();
    params.not_after = (now + DAY * days).into();
    let key = KeyPair::generate().unwrap();
    let (authority, authority_key) = (params.self_signed(&key).unwrap().pem(), key.serialize_pem());
    let issuer = Issuer::new(params, key);
    let mut leaf = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    leaf.not_before = (now - DAY).into();
    leaf.not_after = (now + DAY * days).into();
    leaf.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap().pem();
    [("ca.crt", authority), ("ca.key", authority_key), ("tls.crt", leaf), ("tls.key", key.serialize_pem())]
}

#[test]
fn from_no_secret_the_webhook_works_and_a_wiped_bundle_comes_back() {
    let turn = Turn::begin("certificates-begin");
    let admit = start_with(turn.environment, &ARGUMENTS);
    let _webhook = turn.register(&[&admit]);
    turn.wait_for_judgement(&[&admit]);
    let data = turn.secret();
    assert_eq!(data.as_object().unwrap().keys().collect::<Vec<_>>(), ["ca.crt", "ca.key", "tls.crt", "tls.key"]);
    assert_eq!(turn.bundles(), [data["ca.crt"].as_str().unwrap()]);

    let wipe = r#"[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]"#;
    let patch = ["patch", "validatingwebhookconfiguration", CONFIGURATION, "--type=json", "-p", wipe];
    turn.environment.kubectl(&patch).checked();
    assert!(wait_until(LATER, || turn.bundles() == [data["ca.crt"].as_str().unwrap()]), "{}", admit.log());
    turn.wait_for_judgement(&[&admit]);

    let name = "gatekeeper-mutating-webhook-configuration";
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": "nowhere"}});
    let mut mutating = super::environment::scope::webhook_configuration(name, admit.port, "", "Ignore", &selector);
    mutating["kind"] = json!("MutatingWebhookConfiguration");
    let _mutating = turn.environment.register(&mutating);
    let bundles = || turn.bundles_of("mutatingwebhookconfiguration", name);
    assert!(wait_until(LATER, || bundles() == [data["ca.crt"].as_str().unwrap()]), "{}", admit.log());
    assert_eq!(turn.secret(), data, "nothing else was changed");
}

#[test]
fn a_process_keeps_certificates_and_bundles_of_what_it_serves() {
    let turn = Turn::begin("certificates-operations");
    let start = |operations: &str| {
        let arguments: Vec<&str> = ARGUMENTS.iter().copied().chain([operations]).collect();
        start_with(turn.environment, &arguments)
    };
    // Ready is when everything is there that is needed.
    // It makes the kinds of constraints, so that nobody else is needed here.
    let status = start("--operation=status,generate,audit");
    assert_eq!(turn.secret(), Value::Null, "{}", status.log());
    let _validating = turn.register(&[&status]);

    let name = "gatekeeper-mutating-webhook-configuration";
    let mutation = start("--operation=mutation-webhook");
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": "nowhere"}});
    let mut mutating = super::environment::scope::webhook_configuration(name, mutation.port, "", "Ignore", &selector);
    mutating["kind"] = json!("MutatingWebhookConfiguration");
    let _mutating = turn.environment.register(&mutating);
    let authority = || turn.secret()["ca.crt"].as_str().map(ToOwned::to_owned);
    let bundles = || turn.bundles_of("mutatingwebhookconfiguration", name);
    let is_written = || authority().is_some_and(|authority| bundles() == [authority]);
    assert!(wait_until(LATER, is_written), "{}", mutation.log());
    assert_eq!(turn.bundles(), [""], "nobody serves it: {}\n{}", status.log(), mutation.log());
    for certificate in ["serving", "authority"] {
        let line = format!("gatekeeper_certificate_expiration_timestamp_seconds{{certificate=\"{certificate}\"}} ");
        assert!(mutation.metrics().contains(&line), "{}", mutation.metrics());
        assert!(!status.metrics().contains(&line), "{}", status.metrics());
    }
}

#[test]
fn authority_and_certificate_change_under_load_and_no_request_fails() {
    let turn = Turn::begin("certificates-load");
    let (one, other) = (start_with(turn.environment, &ARGUMENTS), start_with(turn.environment, &ARGUMENTS));
    let replicas = [&one, &other];
    let _webhook = turn.register(&replicas);
    turn.wait_for_judgement(&replicas);
    let (stop, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|threads| {
        let asking: Vec<_> = (0..2)
            .map(|_| {
                threads.spawn(|| {
                    let mut failed = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let text = turn.probe();
                        asked.fetch_add(1, Ordering::Relaxed);
                        if !text.contains("denied the request") || text.contains("failed calling") {
                            failed.push(text);
                        }
                    }
                    failed
                })
            })
            .collect();
        let shaking = threads.spawn(|| turn.shake_hands(&replicas, &stop));
        // An operator brings an authority of their own, and it is due at once: the bundle and the certificate change twice.
        turn.replace_secret(&certificates(80));
        let has_changed = || {
            let data = turn.secret();
            let due_now = one.log().matches("the new authority is trusted").count();
            let due_other = other.log().matches("the new authority is trusted").count();
            due_now + due_other > 0 && data.get("next-ca.crt").is_none()
        };
        let changed = wait_until(Duration::from_secs(60), has_changed);
        let taken_up = wait_until(LATER, || {
            replicas.iter().all(|replica| replica.log().matches("serving certificate taken up").count() >= 2)
        });
        std::thread::sleep(Duration::from_secs(1));
        stop.store(true, Ordering::Relaxed);
        let failed: Vec<String> = asking.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let (refused, shaken) = shaking.join().unwrap();
        let logs = format!("{}\n----\n{}", one.log(), other.log());
        assert!(changed && taken_up, "{changed} {taken_up}\n{logs}");
        assert!(
            refused.is_empty() && shaken > 50,
            "{} refused, {shaken} not: {:?}\n{logs}",
            refused.len(),
            refused.first()
        );
        assert!(failed.is_empty(), "{} of {asked:?} failed: {:?}\n{logs}", failed.len(), failed.first());
    });
    assert!(asked.load(Ordering::Relaxed) > 8, "{asked:?}");
    let (data, bundles) = (turn.secret(), turn.bundles());
    assert_eq!(data.as_object().unwrap().keys().collect::<Vec<_>>(), ["ca.crt", "ca.key", "tls.crt", "tls.key"]);
    assert!(
        bundles.iter().all(|bundle| bundle == &bundles[0] && bundle.len() > data["ca.crt"].as_str().unwrap().len())
    );
    let leaf = CertificateDer::from_pem_slice(&decode(data["tls.crt"].as_str().unwrap())).unwrap();
    for replica in replicas {
        assert_eq!(shake_hands(replica.port, &turn.bundle()).unwrap(), leaf.as_ref());
    }
}

#[test]
fn replicas_that_start_together_agree() {
    let turn = Turn::begin("certificates-together");
    let servers = std::thread::scope(|threads| {
        let starting: Vec<_> = (0..3).map(|_| threads.spawn(|| start_with(turn.environment, &ARGUMENTS))).collect();
        starting.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let replicas: Vec<_> = servers.iter().collect();
    let _webhook = turn.register(&replicas);
    turn.wait_for_judgement(&replicas);
    let written: usize = replicas.iter().map(|replica| replica.log().matches("certificates written").count()).sum();
    assert_eq!(written, 1, "one of them made the Secret");
}

#[test]
fn broken_secrets_are_repaired_and_those_of_others_are_left_alone() {
    let turn = Turn::begin("certificates-broken");
    let admit = start_with(turn.environment, &ARGUMENTS);
    let _webhook = turn.register(&[&admit]);
    turn.wait_for_judgement(&[&admit]);
    let [_, _, _, (_, foreign_key)] = certificates(300);
    for (key, value, expected) in [
        ("tls.key", foreign_key, "tls.key does not belong to tls.crt"),
        ("tls.crt", "not PEM".to_owned(), "tls.crt is not in PEM form"),
    ] {
        let before = turn.secret();
        turn.put_secret(&[(key, value)]);
        let is_repaired = || admit.log().contains(expected) && turn.secret()["tls.crt"] != before["tls.crt"];
        assert!(wait_until(LATER, is_repaired), "{}", admit.log());
        assert_eq!(turn.secret()["ca.crt"], before["ca.crt"], "its authority is good");
        turn.wait_for_judgement(&[&admit]);
    }
    // What another makes, and keeps the key of: used, not touched, even if we would renew it.
    let [authority, _, certificate, key] = certificates(80);
    turn.replace_secret(&[authority, certificate, key]);
    let theirs = turn.secret();
    let taken_up = || admit.log().matches("serving certificate taken up").count() == 4;
    assert!(wait_until(LATER, taken_up) && turn.is_judged(), "{}", admit.log());
    assert!(turn.bundles()[0].starts_with(theirs["ca.crt"].as_str().unwrap().trim_end_matches('=')));
    assert_eq!((&theirs, theirs.get("ca.key")), (&turn.secret(), None));
}

#[test]
fn certificates_are_dated_by_the_clock_of_the_api_server() {
    const HOURS_AHEAD: Duration = Duration::from_secs(3 * 60 * 60);
    let turn = Turn::begin("certificates-clock");
    // To admit, it is its own clock that is wrong.
    let kubeconfig = dated::start(turn.environment, HOURS_AHEAD);
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    let begun = SystemTime::now();
    let admit = start_with(turn.environment, &[&ARGUMENTS[..], &[kubeconfig.as_str()]].concat());
    let data = turn.secret();
    let by_api_server = begun - HOURS_AHEAD;
    for key in ["ca.crt", "tls.crt"] {
        let certificate = CertificateDer::from_pem_slice(&decode(data[key].as_str().unwrap())).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).unwrap();
        let from = u64::try_from(parsed.validity().not_before.timestamp()).unwrap();
        let from = SystemTime::UNIX_EPOCH + Duration::from_secs(from);
        assert!(from <= by_api_server, "{key} is not valid before {from:?}, and it is {by_api_server:?}");
        assert!(from + Duration::from_secs(2 * 60 * 60) > by_api_server, "{key}: {from:?}");
    }
    let log = admit.log();
    assert_eq!(log.matches("the clock of this machine is not the API server's").count(), 1, "{log}");
    assert!(log.contains(r#""seconds_ahead":10"#), "10800 or a little less: {log}");
    let _webhook = turn.register(&[&admit]);
    turn.wait_for_judgement(&[&admit]);
}
