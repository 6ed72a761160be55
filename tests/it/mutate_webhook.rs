//! `/v1/mutate` over TLS: in which order it decides, with which texts, and what it counts.

use std::sync::OnceLock;

use admit::server::{MutationOptions, Operation, Operations};
use serde_json::{Value, json};

use super::webhook::Running;

const MUTATORS: &str = r#"
apiVersion: mutations.gatekeeper.sh/v1
kind: AssignMetadata
metadata: {name: owner, generation: 3}
spec:
  location: metadata.labels.owner
  parameters: {assign: {value: somebody}}
---
apiVersion: mutations.gatekeeper.sh/v1beta1
kind: Assign
metadata: {name: pull-always}
spec:
  applyTo: [{groups: [""], versions: [v1], kinds: [Pod]}]
  location: "spec.containers[name: *].imagePullPolicy"
  parameters: {assign: {value: Always}}
---
apiVersion: mutations.gatekeeper.sh/v1
kind: Assign
metadata: {name: of-the-namespace}
spec:
  applyTo: [{groups: [""], versions: [v1], kinds: [Pod]}]
  match: {namespaces: [shop], namespaceSelector: {matchLabels: {tier: front}}}
  location: spec.nodeSelector.tier
  parameters: {assign: {fromMetadata: {field: namespace}}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {tier: front}}
---
apiVersion: config.gatekeeper.sh/v1alpha1
kind: Config
metadata: {name: config, namespace: admit-system}
spec:
  match: [{excludedNamespaces: [quiet], processes: [mutation-webhook]}]
"#;

fn running() -> &'static Running {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    RUNNING.get_or_init(|| Running::start_with(MUTATORS, |_| {}))
}

fn review(group: &str, kind: &str, object: &Value) -> Value {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("shop");
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u1",
        "kind": {"group": group, "version": "v1", "kind": kind}, "namespace": namespace, "operation": "CREATE",
        "userInfo": {"username": "somebody"}, "object": object}})
}

fn pod(metadata: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"containers": [{"name": "a", "image": "a"}, {"name": "b", "image": "b", "imagePullPolicy": "Always"}]}})
}

fn ask(running: &Running, review: &Value) -> Value {
    let (status, body) = running.post("/v1/mutate?timeout=5s", review.to_string().into_bytes());
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&answer["kind"], &answer["response"]["uid"]), (&json!("AdmissionReview"), &json!("u1")));
    answer["response"].clone()
}

/// What an API server makes of an object with that answer.
pub(super) fn patched(object: &Value, response: &Value) -> Value {
    assert_eq!((&response["allowed"], &response["patchType"]), (&json!(true), &json!("JSONPatch")), "{response}");
    let text = data_encoding::BASE64.decode(response["patch"].as_str().unwrap().as_bytes()).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&text).unwrap();
    let mut after = object.clone();
    json_patch::patch(&mut after, &patch).unwrap();
    after
}

#[test]
fn an_object_is_mutated_by_a_patch_and_left_alone_the_second_time() {
    // As the API server sends it at CREATE: the object need not name its namespace.
    let object = pod(&json!({"name": "web"}));
    let response = ask(running(), &review("", "Pod", &object));
    assert_eq!(response["status"], json!({"code": 200}));
    let after = patched(&object, &response);
    let mut expected = object.clone();
    expected["metadata"]["labels"] = json!({"owner": "somebody"});
    expected["spec"]["containers"][0]["imagePullPolicy"] = json!("Always");
    expected["spec"]["nodeSelector"] = json!({"tier": "shop"});
    assert_eq!(after, expected);
    let again = ask(running(), &review("", "Pod", &after));
    assert_eq!(again["status"], json!({"code": 200, "message": "Resource was not mutated"}));
    assert_eq!((again.get("patch"), again.get("patchType")), (None, None));
}

#[test]
fn what_is_left_alone_is_so_in_gatekeepers_words_and_order() {
    let object = pod(&json!({"name": "web"}));
    let own_account = "system:serviceaccount:admit-system:gatekeeper-admin";
    let own_group = "mutations.gatekeeper.sh";
    for (username, operation, group, namespace, expected) in [
        (own_account, "DELETE", own_group, "quiet", "Gatekeeper does not self-manage"),
        ("somebody", "DELETE", own_group, "quiet", "Mutating only on create or update"),
        ("somebody", "CONNECT", "", "shop", "Mutating only on create or update"),
        ("somebody", "UPDATE", own_group, "quiet", "Not mutating gatekeeper resources"),
        ("somebody", "CREATE", "", "quiet", "Namespace is set to be ignored by Gatekeeper config"),
    ] {
        let mut review = review(group, "Pod", &object);
        let request = &mut review["request"];
        request["userInfo"]["username"] = json!(username);
        request["operation"] = json!(operation);
        request["namespace"] = json!(namespace);
        if operation == "DELETE" {
            request["oldObject"] = request["object"].take();
        }
        let response = ask(running(), &review);
        assert_eq!(response["status"], json!({"code": 200, "message": expected}), "{response}");
        assert!(response["allowed"] == true && response.get("patch").is_none(), "{response}");
    }
    // A SyncSet is no resource of Gatekeeper's to Gatekeeper.
    let sync_set =
        json!({"apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet", "metadata": {"name": "a"}});
    let mut review = review("syncset.gatekeeper.sh", "SyncSet", &sync_set);
    review["request"]["namespace"] = json!("");
    assert_eq!(patched(&sync_set, &ask(running(), &review))["metadata"]["labels"], json!({"owner": "somebody"}));
}

#[test]
fn a_namespace_is_its_own_namespace() {
    let running = Running::start_with(
        "apiVersion: mutations.gatekeeper.sh/v1\nkind: AssignMetadata\nmetadata: {name: a}\nspec:\n  \
         match: {namespaceSelector: {matchLabels: {new: 'yes'}}}\n  location: metadata.labels.seen\n  \
         parameters: {assign: {value: 'yes'}}\n",
        |_| {},
    );
    for (labels, is_mutated) in [(json!({"new": "yes"}), true), (json!({}), false)] {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": labels}});
        let mut review = review("", "Namespace", &namespace);
        review["request"]["namespace"] = json!("n");
        let response = ask(&running, &review);
        assert_eq!(response.get("patch").is_some(), is_mutated, "{response}");
        if is_mutated {
            assert_eq!(patched(&namespace, &response)["metadata"].get("namespace"), None);
        }
    }
}

#[test]
fn an_object_that_cannot_be_mutated_is_refused_with_what_is_wrong() {
    let mut object = pod(&json!({"name": "web"}));
    object["spec"]["nodeSelector"] = Value::Null;
    let response = ask(running(), &review("", "Pod", &object));
    assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(500)), "{response}");
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.starts_with("mutation "), "{message}");
    let expected = " for mutator Assign.mutations.gatekeeper.sh /of-the-namespace failed for  Pod shop web: mismatch \
                    between path entry (type: object) and received object (type: <nil>). Path: ";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn what_is_no_review_and_what_is_too_much_is_answered_as_by_admit() {
    let (status, body) = running().post("/v1/mutate", b"{".to_vec());
    assert!(status == 400 && body.contains("unexpected end of JSON input"), "{body}");
    let mut large = review("", "Pod", &pod(&json!({"name": "a"})));
    large["request"]["object"]["spec"]["x"] = json!("x".repeat(8 << 20));
    let response =
        serde_json::from_str::<Value>(&running().post("/v1/mutate", large.to_string().into_bytes()).1).unwrap();
    let status = &response["response"]["status"];
    let text = "request entity is too large; limit is 7340032 bytes";
    assert_eq!((&status["code"], &status["message"]), (&json!(413), &json!(text)), "{response}");
    let (status, body) =
        running().post("/v1/mutate?timeout=100ms", review("", "Pod", &json!(5)).to_string().into_bytes());
    assert!(status == 200 && body.contains("request.object: "), "{body}");
}

#[test]
fn a_request_without_time_is_refused_not_dropped() {
    let object = pod(&json!({"name": "web"}));
    let (status, body) = running().post("/v1/mutate?timeout=1ms", review("", "Pod", &object).to_string().into_bytes());
    let response = serde_json::from_str::<Value>(&body).unwrap()["response"].take();
    assert_eq!((status, &response["allowed"], &response["uid"]), (200, &json!(false), &json!("u1")), "{response}");
    assert_eq!(response["status"]["code"], 500);
}

/// One server, so that nobody else's requests are counted.
#[test]
fn requests_are_counted_and_annotated_as_by_gatekeeper() {
    let running = Running::start_with(MUTATORS, |options| {
        options.mutation = MutationOptions { are_logged: true, are_annotated: true };
    });
    let object = pod(&json!({"name": "web", "annotations": {"a": "b"}}));
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut after = patched(&object, &ask(&running, &review("", "Pod", &object)));
        let annotations = after["metadata"]["annotations"].take();
        let all = "Assign//of-the-namespace:0, Assign//pull-always:0, AssignMetadata//owner:3";
        assert_eq!((&annotations["gatekeeper.sh/mutations"], &annotations["a"]), (&json!(all), &json!("b")));
        ids.push(annotations["gatekeeper.sh/mutation-id"].as_str().unwrap().to_owned());
    }
    assert!(ids[0] != ids[1] && ids[0].len() == 36, "{ids:?}");
    let mut other = review("", "Pod", &object);
    other["request"]["namespace"] = json!("quiet");
    ask(&running, &other);
    other["request"]["operation"] = json!("CONNECT");
    ask(&running, &other);
    let metrics = running.metrics();
    for line in [
        "gatekeeper_mutation_request_count_total{mutation_status=\"success\"} 2",
        "gatekeeper_mutation_request_count_total{mutation_status=\"skip\"} 1",
        "gatekeeper_mutation_system_iterations_bucket{le=\"1.0\",success=\"true\"} 0",
        "gatekeeper_mutation_system_iterations_bucket{le=\"2.0\",success=\"true\"} 2",
        "gatekeeper_mutators{status=\"active\"} 3",
        "gatekeeper_mutators{status=\"error\"} 0",
        "gatekeeper_mutator_conflicting_count 0",
        "gatekeeper_mutator_ingestion_count_total{status=\"active\"} 3",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line} not in\n{metrics}");
    }
    assert!(!metrics.contains("mutation_request_count_total{mutation_status=\"unknown\"}"), "{metrics}");
}

#[test]
fn without_the_operation_there_is_no_such_endpoint() {
    let running = Running::start_with(MUTATORS, |options| {
        options.operations = Operations::new(&[Operation::Webhook]);
    });
    let object = pod(&json!({"name": "web"}));
    let (status, body) = running.post("/v1/mutate", review("", "Pod", &object).to_string().into_bytes());
    assert_eq!(status, 404, "{body}");
    let only = Running::start_with(MUTATORS, |options| {
        options.operations = Operations::new(&[Operation::MutationWebhook]);
    });
    assert_eq!(only.post("/v1/admit", b"{}".to_vec()).0, 404);
    assert!(ask(&only, &review("", "Pod", &object)).get("patch").is_some());
}
