//! Namespaces that come and go: known at once, and missed in the API server's own words.

use admit::server::loopback::LoopbackClient;
use serde_json::{Value, json};

use super::environment::wait_until;
use super::{LATER, apply_constraint, approved_registries, prepared, start};

#[test]
fn namespaces_come_and_go() {
    let environment = prepared();
    let scope = environment.scope("come-and-go");
    let admit = start(environment);
    let mut constraint = approved_registries("come-and-go-registries", &scope.namespace(), "deny");
    constraint["spec"]["match"]["namespaceSelector"] = json!({"matchLabels": scope.labels()});
    apply_constraint(environment, &constraint);
    let (authority, address) = (environment.ca_pem(), ([127, 0, 0, 1], admit.port).into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ask = |namespace: &str| {
        runtime.block_on(async {
            let mut client = LoopbackClient::connect(address, &authority).await.unwrap();
            let (status, body) = client.post("/v1/admit?timeout=5s", review(namespace)).await.unwrap();
            assert_eq!(status, 200);
            serde_json::from_slice::<Value>(&body).unwrap()["response"]["status"].take()
        })
    };
    let missing = |name: &str| {
        let message = format!("failed to create augmentedReview: namespaces \"{name}\" not found");
        json!({"code": 500, "message": message})
    };
    assert!(wait_until(LATER, || ask(&scope.namespace())["code"] == 403));
    assert_eq!(ask("test-come-and-go-never"), missing("test-come-and-go-never"));
    for round in 0..5 {
        let name = scope.add_namespace(&format!("-{round}"));
        assert_eq!(ask(&name)["code"], 403, "{name} is known from the first moment on");
    }

    let name = scope.add_namespace("-leaving");
    environment.kubectl(&["delete", "namespace", &name, "--wait=false"]).checked();
    assert_eq!(ask(&name)["code"], 403, "a namespace that is being deleted is still there");
    // What kube-controller-manager does once the namespace is empty.
    let empty =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []}});
    let path = format!("/api/v1/namespaces/{name}/finalize");
    let arguments = ["replace", "--raw", &path, "-f", "-"];
    environment.kubectl_as(super::environment::User::Admin, &arguments, Some(&empty.to_string())).checked();
    assert!(wait_until(LATER, || ask(&name)["code"] == 500), "{}", ask(&name));
    assert_eq!(ask(&name), missing(&name));
}

fn review(namespace: &str) -> Vec<u8> {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace},
        "spec": {"containers": [{"name": "c", "image": "registry.example.com/elsewhere/web:1"}]}});
    serde_json::to_vec(&json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u",
        "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": namespace, "name": "p",
        "operation": "CREATE", "object": pod}}))
    .unwrap()
}
