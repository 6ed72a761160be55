//! Mutators, ExpansionTemplates and Providers against a real API server: what is stored, what statuses say, and what becomes
//! of them when they are in each other's way.

use std::sync::MutexGuard;
use std::time::Duration;

use serde_json::{Value, json};

use super::environment::scope::{RegisteredWebhook, Scope, mutating_configuration, webhook_configuration};
use super::environment::{AdmitServer, Environment, User, wait_until};
use super::{apply_constraint, approved_registries, prepared, start, start_with};

/// On a busy machine.
const LATER: Duration = Duration::from_secs(60);

/// A mutator for Pods in the namespaces that begin so.
fn mutator(kind: &str, name: &str, namespace: &str, spec: &Value) -> Value {
    let version = if kind == "AssignImage" { "v1alpha1" } else { "v1" };
    let mut mutator = json!({"apiVersion": format!("mutations.gatekeeper.sh/{version}"), "kind": kind,
        "metadata": {"name": name}, "spec": spec});
    mutator["spec"]["match"] = json!({"namespaces": [format!("{namespace}*")]});
    if kind != "AssignMetadata" {
        mutator["spec"]["applyTo"] = json!([{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}]);
    }
    mutator
}

fn approve_images(name: &str, namespace: &str) -> Value {
    let parameters = json!({"assignDomain": "registry.example.com", "assignPath": "approved/web"});
    mutator(
        "AssignImage",
        name,
        namespace,
        &json!({"location": "spec.containers[name: *].image", "parameters": parameters}),
    )
}

fn label_owner(name: &str, namespace: &str) -> Value {
    let parameters = json!({"assign": {"value": "somebody"}});
    mutator("AssignMetadata", name, namespace, &json!({"location": "metadata.labels.owner", "parameters": parameters}))
}

fn object(environment: &Environment, resource: &str, name: &str, namespace: &str) -> Value {
    let mut arguments = vec!["get", resource, name, "-o", "json"];
    if !namespace.is_empty() {
        arguments.extend(["-n", namespace]);
    }
    serde_json::from_str(&environment.kubectl(&arguments).checked().stdout).unwrap()
}

fn entry(environment: &Environment, resource: &str, name: &str, admit: &AdmitServer) -> Option<Value> {
    let found = object(environment, resource, name, "");
    let entries = found["status"]["byPod"].as_array().cloned().unwrap_or_default();
    entries.into_iter().find(|entry| entry["id"] == admit.pod_name.as_str())
}

/// Waits until a process says of an object what is expected.
#[track_caller]
fn expect_entry(
    environment: &Environment,
    resource: &str,
    name: &str,
    admit: &AdmitServer,
    is: impl Fn(&Value) -> bool,
) {
    let has_come = wait_until(LATER, || entry(environment, resource, name, admit).is_some_and(|entry| is(&entry)));
    let status = || object(environment, resource, name, "")["status"].take();
    assert!(has_come, "{resource}/{name}: {}\n{}", status(), admit.log());
}

fn is_enforced(entry: &Value) -> bool {
    entry["enforced"] == true && entry.get("errors").is_none()
}

fn delete(environment: &Environment, resource: &str, name: &str) {
    environment.kubectl(&["delete", resource, name]).checked();
}

fn pod(name: &str, namespace: &str, image: &str) -> String {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [{"name": "web", "image": image}]}})
    .to_string()
}

fn images(environment: &Environment, name: &str, namespace: &str) -> Vec<String> {
    let path = "-o=jsonpath={.spec.containers[*].image}";
    let output = environment.kubectl(&["get", "pod", name, "-n", namespace, path]).checked();
    output.stdout.split_whitespace().map(str::to_owned).collect()
}

/// The mutating webhook of `admit` for this scope, asked as often as the API server wants.
fn register(environment: &'static Environment, scope: &Scope, admit: &AdmitServer) -> RegisteredWebhook {
    let selector = json!({"matchLabels": scope.labels()});
    environment.register(&mutating_configuration(&scope.namespace(), admit.port, &environment.ca_pem(), &selector))
}

#[test]
fn an_object_is_stored_as_mutators_have_it_and_applying_it_again_changes_nothing() {
    let environment = prepared();
    let scope = environment.scope("mutated");
    let namespace = scope.namespace();
    let admit = start(environment);
    let _webhook = register(environment, &scope, &admit);
    for (resource, mutator) in [
        ("assignimage", approve_images("mutated-images", &namespace)),
        ("assignmetadata", label_owner("mutated-owner", &namespace)),
    ] {
        environment.apply(&mutator.to_string()).checked();
        expect_entry(environment, resource, mutator["metadata"]["name"].as_str().unwrap(), &admit, is_enforced);
    }
    let manifest = pod("web", &namespace, "elsewhere.example.com/web:1");
    environment.apply(&manifest).checked();
    assert_eq!(images(environment, "web", &namespace), ["registry.example.com/approved/web:1"]);
    let before = object(environment, "pod", "web", &namespace);
    assert_eq!(before["metadata"]["labels"]["owner"], "somebody");

    environment.apply(&manifest).checked();
    let after = object(environment, "pod", "web", &namespace);
    assert_eq!(before["metadata"]["resourceVersion"], after["metadata"]["resourceVersion"], "{before}\n{after}");
    let diff = environment.kubectl_as(User::Admin, &["diff", "-f", "-"], Some(&manifest));
    assert!(diff.success && diff.stdout.is_empty(), "{}{}", diff.stdout, diff.stderr);
    // On the server's side, too.
    for _ in 0..2 {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        environment.kubectl_as(User::Admin, &arguments, Some(&manifest)).checked();
    }
    assert_eq!(images(environment, "web", &namespace), ["registry.example.com/approved/web:1"]);
    delete(environment, "assignimage", "mutated-images");
    delete(environment, "assignmetadata", "mutated-owner");
}

/// Statuses as Gatekeeper writes them, and who is found to be in whose way.
#[test]
fn mutators_that_contradict_each_other_say_so_until_one_is_gone() {
    let environment = prepared();
    let scope = environment.scope("conflict");
    let namespace = scope.namespace();
    let admit = start(environment);
    let one = mutator(
        "Assign",
        "conflict-list",
        &namespace,
        &json!({"location": "spec.tolerations[key: a].effect", "parameters": {"assign": {"value": "NoSchedule"}}}),
    );
    let other = mutator(
        "Assign",
        "conflict-object",
        &namespace,
        &json!({"location": "spec.tolerations.effect", "parameters": {"assign": {"value": "NoSchedule"}}}),
    );
    environment.apply(&one.to_string()).checked();
    expect_entry(environment, "assign", "conflict-list", &admit, is_enforced);
    let uid = object(environment, "assign", "conflict-list", "")["metadata"]["uid"].take();
    let said = entry(environment, "assign", "conflict-list", &admit).unwrap();
    let operations = ["generate", "mutation-controller", "mutation-status", "mutation-webhook", "status", "webhook"];
    assert_eq!(
        said,
        json!({"id": admit.pod_name, "mutatorUID": uid, "observedGeneration": 1, "enforced": true, "operations": operations})
    );

    environment.apply(&other.to_string()).checked();
    let text = "the following mutators have conflicting schemas: [Assign.mutations.gatekeeper.sh /conflict-list,\
                Assign.mutations.gatekeeper.sh /conflict-object]";
    let is_in_conflict = |entry: &Value| {
        let error = json!([{"type": "ErrConflictingSchema", "message": text}]);
        entry.get("enforced").is_none() && entry["errors"] == error
    };
    for name in ["conflict-list", "conflict-object"] {
        expect_entry(environment, "assign", name, &admit, is_in_conflict);
    }
    let counted = |count: u32| {
        let line = format!("gatekeeper_mutator_conflicting_count {count}");
        admit.metrics().lines().any(|one| one == line)
    };
    assert!(counted(2), "{}", admit.metrics());
    let conditions = object(environment, "assign", "conflict-list", "")["status"]["conditions"].take();
    assert!(conditions.to_string().contains(r#""reason":"ErrConflictingSchema""#), "{conditions}");

    delete(environment, "assign", "conflict-object");
    expect_entry(environment, "assign", "conflict-list", &admit, is_enforced);
    assert!(wait_until(LATER, || counted(0)), "{}", admit.metrics());
    delete(environment, "assign", "conflict-list");
    let name = format!("{}-assign-conflict--list", admit.pod_name.replace('-', "--"));
    let get = ["get", "mutatorpodstatuses", &name, "-n", "admit-system", "--ignore-not-found"];
    assert!(wait_until(LATER, || environment.kubectl(&get).checked().stdout.is_empty()), "{}", admit.log());
}

#[test]
fn a_mutator_that_could_not_act_is_refused_with_its_text() {
    let environment = prepared();
    let scope = environment.scope("bad-mutator");
    let admit = start(environment);
    let _webhook = scope.register(&admit, "Fail");
    let assign = |location: &str| {
        let spec = json!({"location": location, "parameters": {"assign": {"value": "x"}}});
        let mut assign = mutator("Assign", "bad-mutator", &scope.namespace(), &spec);
        assign["metadata"]["labels"] = scope.labels();
        assign.to_string()
    };
    let refused = |manifest: &str, expected: &str| {
        let expected = format!("admission webhook \"validation.gatekeeper.sh\" denied the request: {expected}");
        let attempt = || environment.apply(manifest);
        assert!(wait_until(LATER, || attempt().stderr.contains(&expected)), "{}\n{}", attempt().stderr, admit.log());
    };
    refused(&assign("metadata.labels.x"), "assign bad-mutator can't change metadata");
    refused(&assign("spec.["), "invalid location format `spec.[` for Assign bad-mutator: ");
    environment.apply(&assign("spec.hostNetwork")).checked();
    refused(&assign("metadata.labels.x"), "assign bad-mutator can't change metadata");
    delete(environment, "assign", "bad-mutator");
}

#[test]
fn a_mutator_that_is_stored_broken_says_what_is_wrong() {
    let environment = prepared();
    let scope = environment.scope("broken-mutator");
    let admit = start(environment);
    let spec = json!({"location": "spec.a", "parameters": {"assign": {}}});
    environment.apply(&mutator("Assign", "broken-mutator", &scope.namespace(), &spec).to_string()).checked();
    let text = "assign must set one of `externalData`, `value` or `fromMetadata`: invalid assign field";
    let is_told = |entry: &Value| entry["errors"][0]["message"] == text && entry.get("enforced").is_none();
    expect_entry(environment, "assign", "broken-mutator", &admit, is_told);
    assert!(admit.is_ready());
    delete(environment, "assign", "broken-mutator");
}

#[test]
fn providers_and_expansion_templates_have_their_statuses() {
    let environment = prepared();
    let admit = start(environment);
    let bundle = super::environment::scope::base64(&environment.ca_pem());
    let provider = |url: &str| {
        json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "Provider", "metadata": {"name": "told"},
            "spec": {"url": url, "timeout": 3, "caBundle": bundle}})
        .to_string()
    };
    environment.apply(&provider("https://127.0.0.1:1/")).checked();
    let is_active = |entry: &Value| {
        entry["active"] == true && entry["lastTransitionTime"].is_string() && entry["lastCacheUpdateTime"].is_string()
    };
    expect_entry(environment, "provider", "told", &admit, is_active);
    let written = object(environment, "provider", "told", "")["metadata"]["resourceVersion"].take();
    environment.apply(&provider("http://127.0.0.1:1/")).checked();
    let is_refused = |entry: &Value| {
        let error = &entry["errors"][0];
        let text = error["message"].as_str().unwrap_or_default();
        entry.get("active").is_none()
            && text.starts_with("only HTTPS scheme is supported for Providers")
            && (&error["type"], &error["retryable"]) == (&json!("UpsertCache"), &json!(true))
            && error["errorTimestamp"].is_string()
    };
    expect_entry(environment, "provider", "told", &admit, is_refused);
    assert_ne!(written, object(environment, "provider", "told", "")["metadata"]["resourceVersion"]);
    delete(environment, "provider", "told");

    let template = |kind: &str| {
        json!({"apiVersion": "expansion.gatekeeper.sh/v1alpha1", "kind": "ExpansionTemplate",
            "metadata": {"name": "told"}, "spec": {"templateSource": "spec.template",
                "applyTo": [{"groups": ["example.com"], "versions": ["v1"], "kinds": ["Maker"]}],
                "generatedGVK": {"group": "example.com", "version": "v1", "kind": kind}}})
        .to_string()
    };
    environment.apply(&template("Made")).checked();
    let is_good = |entry: &Value| entry["templateUID"].is_string() && entry.get("errors").is_none();
    expect_entry(environment, "expansiontemplate", "told", &admit, is_good);
    environment.apply(&template("Maker")).checked();
    let text = "ExpansionTemplate told generates GVK example.com/v1, Kind=Maker, but also applies to that same GVK";
    let is_bad = |entry: &Value| entry["errors"][0]["message"].as_str().is_some_and(|found| found.starts_with(text));
    expect_entry(environment, "expansiontemplate", "told", &admit, is_bad);
    delete(environment, "expansiontemplate", "told");
}

/// What another webhook adds after this one is mutated, too, when the API server asks again.
#[test]
fn what_a_later_webhook_adds_is_mutated_when_asked_again() {
    let environment = prepared();
    let scope = environment.scope("reinvoked");
    let namespace = scope.namespace();
    let admit = start(environment);
    environment.apply(&approve_images("reinvoked-images", &namespace).to_string()).checked();
    expect_entry(environment, "assignimage", "reinvoked-images", &admit, is_enforced);
    // A second installation, whose mutators are in a file.
    let files = environment.directory("reinvoked-policies");
    let sidecar = json!([{"name": "proxy", "image": "elsewhere.example.com/proxy:2"}]);
    let spec = json!({"location": "spec.containers", "parameters": {"values": {"fromList": sidecar}}});
    std::fs::write(files.join("sidecar.json"), mutator("ModifySet", "sidecar", &namespace, &spec).to_string()).unwrap();
    let policies = format!("--policies={}", files.display());
    let injector = start_with(environment, &["--shutdown-delay=0", "--operation=mutation-webhook", &policies]);
    let selector = json!({"matchLabels": scope.labels()});
    let configuration = |order: &str, admit: &AdmitServer, reinvocation: &str| {
        let name = format!("{order}-{namespace}");
        let mut configuration = mutating_configuration(&name, admit.port, &environment.ca_pem(), &selector);
        configuration["webhooks"][0]["reinvocationPolicy"] = json!(reinvocation);
        configuration
    };
    let _later = environment.register(&configuration("b", &injector, "Never"));
    for (reinvocation, second) in
        [("Never", "elsewhere.example.com/proxy:2"), ("IfNeeded", "registry.example.com/approved/web:2")]
    {
        let _first = environment.register(&configuration("a", &admit, reinvocation));
        let expected = ["registry.example.com/approved/web:1", second];
        let create = || {
            environment.kubectl(&["delete", "pod", "web", "-n", &namespace, "--force", "--ignore-not-found"]).checked();
            environment.apply(&pod("web", &namespace, "elsewhere.example.com/web:1")).checked();
            images(environment, "web", &namespace)
        };
        assert!(wait_until(LATER, || create() == expected), "{reinvocation}: {:?}\n{}", create(), admit.log());
    }
    delete(environment, "assignimage", "reinvoked-images");
}

struct Cluster {
    environment: &'static Environment,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    fn start() -> Self {
        let (turn, environment) = Environment::to_break();
        environment.apply_file("deploy/manifests/rbac.yaml").checked();
        Self { environment, _turn: turn }
    }
}

/// The configuration as it is installed, but for the place to ask at.
fn installed_configuration(environment: &Environment, admit: &AdmitServer) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/manifests/mutating-webhook.yaml");
    let (documents, errors) = admit::manifest::read(&[path.into()], None);
    assert!(errors.is_empty(), "{errors:?}");
    let mut configuration = documents[0].value().clone();
    let all = json!({});
    let ours = mutating_configuration("any", admit.port, &environment.ca_pem(), &all);
    configuration["webhooks"][0]["clientConfig"] = ours["webhooks"][0]["clientConfig"].clone();
    // On a busy machine; and nothing may slip by.
    configuration["webhooks"][0]["timeoutSeconds"] = json!(10);
    configuration["webhooks"][0]["failurePolicy"] = json!("Fail");
    configuration
}

#[test]
fn a_deployments_pods_are_mutated_and_then_judged() {
    let cluster = Cluster::start();
    let environment = cluster.environment;
    super::apply_crds(environment);
    environment.apply_file("policies/general/allowedrepos/template.yaml").checked();
    environment.kubectl(&["create", "namespace", "shop"]).checked();
    let admit = AdmitServer::start(environment, &["--shutdown-delay=0"]);
    let _mutating = environment.register(&installed_configuration(environment, &admit));
    let all = json!({"matchExpressions": [{"key": "admission.gatekeeper.sh/ignore", "operator": "DoesNotExist"}]});
    let name = "gatekeeper-validating-webhook-configuration";
    let _validating =
        environment.register(&webhook_configuration(name, admit.port, &environment.ca_pem(), "Fail", &all));
    apply_constraint(environment, &approved_registries("registries", "shop", "deny"));
    let attempt = ["run", "probe", "--image=elsewhere.example.com/web:1", "-n", "shop", "--dry-run=server"];
    let is_refused = || environment.kubectl(&attempt).stderr.contains("[registries]");
    assert!(wait_until(LATER, is_refused), "{}\n{}", environment.kubectl(&attempt).stderr, admit.log());
    environment.apply(&approve_images("images", "shop").to_string()).checked();
    environment.apply(&label_owner("owner", "shop").to_string()).checked();
    for (resource, name) in [("assignimage", "images"), ("assignmetadata", "owner")] {
        expect_entry(environment, resource, name, &admit, is_enforced);
    }
    let controllers = environment.start_controllers();
    let image = "--image=elsewhere.example.com/web:1";
    environment.kubectl_as(User::Developer, &["create", "deployment", "web", image, "-n", "shop"], None).checked();
    let pods = || -> Vec<Value> {
        let output = environment.kubectl(&["get", "pods", "-n", "shop", "-l", "app=web", "-o", "json"]).checked();
        let mut list: Value = serde_json::from_str(&output.stdout).unwrap();
        serde_json::from_value(list["items"].take()).unwrap()
    };
    controllers.wait_until(Duration::from_secs(60), "a Pod of the Deployment", || !pods().is_empty());
    let pod = &pods()[0];
    assert_eq!(pod["spec"]["containers"][0]["image"], "registry.example.com/approved/web:1");
    assert_eq!(pod["metadata"]["labels"]["owner"], "somebody");
    // What is mutated is what is judged: without the mutator, the same is refused.
    delete(environment, "assignimage", "images");
    assert!(wait_until(LATER, is_refused), "{}\n{}", environment.kubectl(&attempt).stderr, admit.log());
}

#[test]
fn kinds_without_a_crd_are_not_waited_for_and_taken_up_when_they_have_one() {
    let cluster = Cluster::start();
    let environment = cluster.environment;
    let of_mutation =
        |name: &str| ["mutations.", "expansion", "provider", "mutator"].iter().any(|part| name.contains(part));
    let crds = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/crds")).unwrap();
    let crds: Vec<String> = crds.map(|file| file.unwrap().path().to_str().unwrap().to_owned()).collect();
    let (later, first): (Vec<&String>, Vec<&String>) = crds.iter().partition(|path| of_mutation(path));
    assert_eq!((later.len(), first.len()), (9, 6), "{crds:?}");
    let apply = |files: &[&String]| {
        let mut arguments = vec!["apply", "--server-side"];
        files.iter().for_each(|file| arguments.extend(["-f", file.as_str()]));
        environment.kubectl(&arguments).checked();
        let wait = ["wait", "--for=condition=Established", "--timeout=20s", "crd", "--all"];
        assert!(wait_until(LATER, || environment.kubectl(&wait).success), "{}", environment.kubectl(&wait).stderr);
    };
    apply(&first);
    let admit = AdmitServer::start(environment, &["--shutdown-delay=0"]);
    std::thread::sleep(Duration::from_secs(12));
    let log = admit.log();
    assert_eq!(log.matches("there is no CRD of this kind").count(), 6, "{log}");
    // Of kinds that are there, the API server may still say that it is not ready for them.
    let is_noise = |line: &&str| line.contains(r#""level":"warn""#) && !line.contains("(re)initializing");
    assert_eq!(log.lines().find(is_noise), None, "{log}");
    apply(&later);
    environment.apply(&label_owner("late", "shop").to_string()).checked();
    expect_entry(environment, "assignmetadata", "late", &admit, is_enforced);
    // Who starts now is ready when it knows it: the first request is mutated.
    let second = AdmitServer::start(environment, &["--shutdown-delay=0"]);
    let active = "gatekeeper_mutators{status=\"active\"} 1";
    assert!(second.metrics().lines().any(|line| line == active), "{}", second.metrics());
}
