//! What workloads would create: every kind, where its fields were written, and odd input.

use std::collections::BTreeMap;
use std::sync::Arc;

use admit::manifest::{Source, parse};
use admit::model::object::{FieldPath, Object};
use admit::policy::expansion::{Expansion, Holder, Referents, expand};
use admit::policy::snapshot::BuildOptions;
use admit::workbench::bundle;
use admit::workbench::judge::{JudgeOptions, Judgement, blame_all, judge_noting};
use serde_json::{Value, json};

const TEMPLATE: &str = "
    metadata: {name: ignored, namespace: ignored, labels: {app: web}, annotations: {note: x}, creationTimestamp: null}
    spec:
      containers: [{name: web, image: nginx}]
";

fn objects(text: &str) -> Vec<Arc<Object>> {
    let (documents, errors) = parse(&Arc::new(Source::new("f", text.to_owned())));
    assert_eq!(errors, []);
    documents.into_iter().map(|document| Arc::new(Object::from_value(document.into_value()).unwrap())).collect()
}

/// What the first object would create when all are given.
fn expand_first(text: &str) -> Expansion {
    let objects = objects(text);
    expand(&objects[0], &objects.iter().collect::<Referents>())
}

/// `kind name` of everything created, and `path: reason` of what cannot be.
#[track_caller]
fn check(text: &str, created: &[&str], unexpandable: &[&str]) -> Expansion {
    let expansion = expand_first(text);
    let found: Vec<String> = expansion.resultants.iter().map(|one| one.object.key().to_string()).collect();
    assert_eq!(found, created, "{text}");
    let reasons = expansion.unexpandable.iter().map(|one| format!("{}: {}", one.origin.path, one.reason));
    assert_eq!(reasons.collect::<Vec<_>>(), unexpandable, "{text}");
    expansion
}

/// A path in JSON Pointer's form, so that keys may have dots.
fn path(pointer: &str) -> FieldPath {
    pointer.split('/').filter(|step| !step.is_empty()).fold(FieldPath::root(), |path, step| match step.parse() {
        Ok(index) => path.index(index),
        Err(_) => path.key(step.replace("~1", "/")),
    })
}

/// Where fields of the first resultant were written; `+` marks what is made up.
#[track_caller]
fn check_origins(expansion: &Expansion, origins: &[(&str, &str)]) {
    let resultant = &expansion.resultants[0];
    for (of, expected) in origins {
        let origin = resultant.origin(&path(of));
        let mark = if origin.is_made_up { "+" } else { "" };
        let holder = match origin.holder {
            Holder::Generator => String::new(),
            Holder::Other(key) => format!("{key}: "),
        };
        assert_eq!(format!("{holder}{mark}{}", origin.path), *expected, "{of}");
    }
}

fn workload(api_version: &str, kind: &str) -> String {
    format!(
        "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: Web, namespace: shop, uid: u1}}\nspec:\n  template:{TEMPLATE}"
    )
}

#[test]
fn workloads_make_pods() {
    for (api_version, kind) in [
        ("apps/v1", "Deployment"),
        ("apps/v1beta1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("v1", "ReplicationController"),
        ("batch/v1", "Job"),
    ] {
        let expansion = check(&workload(api_version, kind), &["v1/Pod shop/web-pod"], &[]);
        let resultant = &expansion.resultants[0];
        assert_eq!((resultant.implied_by.as_str(), resultant.implied("no")), (kind, format!("[Implied by {kind}] no")));
        let pod = resultant.object.value();
        assert_eq!(pod["spec"], json!({"containers": [{"name": "web", "image": "nginx"}]}));
        let metadata = &pod["metadata"];
        assert_eq!((&metadata["labels"]["app"], &metadata["annotations"]), (&json!("web"), &json!({"note": "x"})));
        assert_eq!((metadata.get("creationTimestamp"), &metadata["namespace"]), (None, &json!("shop")));
        let owner = json!([{"apiVersion": api_version, "kind": kind, "name": "Web", "uid": "u1",
            "controller": true, "blockOwnerDeletion": true}]);
        assert_eq!(metadata["ownerReferences"], owner);
        assert_eq!(metadata.get("generateName"), (kind != "StatefulSet").then_some(&json!("Web-")));
        check_origins(
            &expansion,
            &[
                ("", "spec.template"),
                ("/kind", "+spec.template"),
                ("/metadata", "+spec.template.metadata"),
                ("/metadata/labels/app", "spec.template.metadata.labels.app"),
                ("/metadata/labels/example.com~1team", "spec.template.metadata.labels[example.com/team]"),
                ("/metadata/namespace", "metadata.namespace"),
                ("/metadata/name", "+metadata.name"),
                ("/metadata/ownerReferences/0/kind", "+spec.template"),
                ("/spec/containers/0/image", "spec.template.spec.containers[0].image"),
                ("/spec/absent", "spec.template.spec.absent"),
            ],
        );
    }
}

#[test]
fn jobs_label_their_pods_and_cron_jobs_make_jobs() {
    let text = format!(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: nightly, namespace: shop}}\nspec:\n  schedule: x\n  \
         jobTemplate:\n   metadata: {{labels: {{of: job}}}}\n   spec:\n    backoffLimit: 1\n    template:{}",
        TEMPLATE.replace("\n", "\n  ")
    );
    let expansion = check(&text, &["v1/Pod shop/nightly-job-pod", "batch/v1/Job shop/nightly-job"], &[]);
    let [pod, job] = expansion.resultants.as_slice() else { panic!("{expansion:?}") };
    assert_eq!((pod.implied_by.as_str(), job.implied_by.as_str()), ("Job", "CronJob"));
    let labels = json!({"app": "web", "job-name": "nightly-job", "batch.kubernetes.io/job-name": "nightly-job"});
    assert_eq!(pod.object.value()["metadata"]["labels"], labels);
    assert_eq!(job.object.value()["metadata"]["labels"], json!({"of": "job"}));
    assert_eq!(job.object.value()["spec"]["backoffLimit"], json!(1));
    assert_eq!(job.origin(&path("/spec/backoffLimit")).path.to_string(), "spec.jobTemplate.spec.backoffLimit");
    check_origins(
        &expansion,
        &[
            ("/spec/containers/0/image", "spec.jobTemplate.spec.template.spec.containers[0].image"),
            ("/metadata/labels/app", "spec.jobTemplate.spec.template.metadata.labels.app"),
            ("/metadata/labels/batch.kubernetes.io~1job-name", "+spec.jobTemplate.spec.template"),
            ("/metadata/name", "+metadata.name"),
            ("/metadata/namespace", "metadata.namespace"),
        ],
    );
}

#[test]
fn claims_of_a_stateful_set_are_volumes() {
    let text = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  template:\n    spec:\n      \
        volumes: [{name: data, hostPath: {path: /}}, {name: tmp, emptyDir: {}}]\n  \
        volumeClaimTemplates: [{}, {metadata: {name: data}}, {metadata: {name: log}}]\n";
    let expansion = check(text, &["v1/Pod db-pod"], &[]);
    let volumes = json!([
        {"name": "tmp", "emptyDir": {}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}},
        {"name": "log", "persistentVolumeClaim": {"claimName": "log-db-0"}},
    ]);
    assert_eq!(expansion.resultants[0].object.value()["spec"]["volumes"], volumes);
    check_origins(
        &expansion,
        &[
            ("/spec/volumes", "spec.template.spec.volumes"),
            ("/spec/volumes/0/emptyDir", "spec.template.spec.volumes[1].emptyDir"),
            ("/spec/volumes/1/persistentVolumeClaim", "+spec.volumeClaimTemplates[1]"),
            ("/spec/volumes/2", "+spec.volumeClaimTemplates[2]"),
        ],
    );
}

fn rollout(spec: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{name: r, namespace: shop}}\nspec:\n  {spec}\n"
    )
}

#[test]
fn rollouts_have_a_template_or_name_one() {
    let expansion = check(&rollout(&format!("template:{TEMPLATE}")), &["v1/Pod shop/r-pod"], &[]);
    check_origins(&expansion, &[("/spec/containers/0/image", "spec.template.spec.containers[0].image")]);

    let reference = rollout("workloadRef: {apiVersion: apps/v1, kind: Deployment, name: Web}");
    let expansion =
        check(&format!("{reference}---\n{}", workload("apps/v1", "Deployment")), &["v1/Pod shop/r-pod"], &[]);
    check_origins(
        &expansion,
        &[
            ("", "apps/v1/Deployment shop/Web: spec.template"),
            ("/spec/containers/0/image", "apps/v1/Deployment shop/Web: spec.template.spec.containers[0].image"),
            ("/metadata/namespace", "metadata.namespace"),
        ],
    );
    assert_eq!(expansion.resultants[0].object.value()["metadata"]["ownerReferences"][0]["kind"], "Rollout");
    let template =
        "apiVersion: v1\nkind: PodTemplate\nmetadata: {name: t, namespace: shop}\ntemplate: {spec: {containers: []}}";
    let reference_to_template = rollout("workloadRef: {apiVersion: v1, kind: PodTemplate, name: t}");
    let expansion = check(&format!("{reference_to_template}---\n{template}"), &["v1/Pod shop/r-pod"], &[]);
    check_origins(&expansion, &[("/spec/containers", "v1/PodTemplate shop/t: template.spec.containers")]);

    let missing = "spec.workloadRef: names Deployment Web in namespace shop, which is not among the given objects";
    check(&reference, &[], &[missing]);
    let elsewhere = workload("apps/v1", "Deployment").replace("shop", "other");
    check(&format!("{reference}---\n{elsewhere}"), &[], &[missing]);
    for (spec, reason) in [
        ("replicas: 1", "spec.template: expected the template of a Pod, a mapping, found nothing"),
        ("workloadRef: {}", "spec.workloadRef: has no kind, expected apiVersion, kind and name of a Deployment"),
        ("workloadRef: x", "spec.workloadRef: has no kind, expected apiVersion, kind and name of a Deployment"),
        ("workloadRef: {kind: [], name: a}", "spec.workloadRef.kind: expected a string, found a list"),
        (
            "workloadRef: {apiVersion: apps/v1, kind: DaemonSet, name: a}",
            "spec.workloadRef: names a DaemonSet, expected a Deployment, a ReplicaSet or a PodTemplate",
        ),
    ] {
        check(&rollout(spec), &[], &[reason]);
    }
    let broken = workload("apps/v1", "Deployment")
        .replace("containers:", "containers: [] #")
        .replace("spec:\n      ", "spec: 5 #");
    let expansion = expand_first(&format!("{reference}---\n{broken}"));
    assert!(matches!(expansion.unexpandable[0].origin.holder, Holder::Other(_)), "{expansion:?}");
}

#[test]
fn custom_resources_are_searched_for_pod_templates() {
    let custom = |spec: &str| format!("apiVersion: example.com/v1\nkind: Fleet\nmetadata: {{name: f}}\nspec: {spec}\n");
    let pod = "{metadata: {labels: {a: b}}, spec: {containers: [{image: x}]}}";
    let expansion = check(&custom(&format!("{{groups: [{{}}, {{template: {pod}}}]}}")), &["v1/Pod f-pod"], &[]);
    check_origins(
        &expansion,
        &[
            ("/spec/containers/0/image", "spec.groups[1].template.spec.containers[0].image"),
            ("/metadata/labels/a", "spec.groups[1].template.metadata.labels.a"),
        ],
    );
    assert_eq!(expansion.resultants[0].object.value()["metadata"]["ownerReferences"][0].get("controller"), None);
    check(
        &custom(&format!("{{worker: {{podTemplate: {pod}}}, template: {pod}}}")),
        &["v1/Pod f-pod", "v1/Pod f-pod"],
        &[],
    );
    let expansion = check(
        &custom(&format!("{{jobTemplate: {{spec: {{template: {pod}}}}}}}")),
        &["v1/Pod f-job-pod", "batch/v1/Job f-job"],
        &[],
    );
    check_origins(&expansion, &[("/spec/containers", "spec.jobTemplate.spec.template.spec.containers")]);
    check(&custom(&format!("{{jobs: [{{template: {{spec: {{template: {pod}}}}}}}]}}")), &["v1/Pod f-pod"], &[]);
    for spec in [
        "{template: {spec: {containers: x}}}",
        "{template: [], podTemplate: null}",
        "5",
        "{other: {spec: {containers: []}}}",
    ] {
        check(&custom(spec), &[], &[]);
    }
    // Patterns of policies, kinds that create nothing, and what was created already.
    let spec = format!("{{template: {pod}}}");
    for api_version in
        ["kyverno.io/v1", "constraints.gatekeeper.sh/v1beta1", "apiextensions.k8s.io/v1", "v1", "apps/v1"]
    {
        check(&custom(&spec).replace("example.com/v1", api_version), &[], &[]);
    }
    check(&format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {spec}"), &[], &[]);
    check(&custom(&spec).replace("example.com/v1", "jobset.x-k8s.io/v1"), &["v1/Pod f-pod"], &[]);
    check(&custom("{}").replace("spec: {}", &format!("status: {spec}")), &[], &[]);
}

#[test]
fn odd_templates_say_why() {
    let deployment = |spec: &str| format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\nspec: {spec}");
    for (spec, reason) in [
        ("{}", "spec.template: expected the template of a Pod, a mapping, found nothing"),
        ("[]", "spec.template: expected the template of a Pod, a mapping, found nothing"),
        ("{template: null}", "spec.template: expected the template of a Pod, a mapping, found null"),
        ("{template: [1]}", "spec.template: expected the template of a Pod, a mapping, found a list"),
        ("{template: {}}", "spec.template.spec: expected a mapping, found nothing"),
        ("{template: {spec: x}}", "spec.template.spec: expected a mapping, found a string (\"x\")"),
        ("{template: {spec: {}, metadata: 1}}", "spec.template.metadata: expected a mapping, found a number (1)"),
    ] {
        check(&deployment(spec), &[], &[reason]);
    }
    check(&deployment("{template: {spec: {}, metadata: null}}"), &["v1/Pod d-pod"], &[]);
    let cron = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec: {jobTemplate: {spec: {template: 7}}}";
    let reason = "spec.jobTemplate.spec.template: expected the template of a Pod, a mapping, found a number (7)";
    check(cron, &["batch/v1/Job c-job"], &[reason]);
    let unnamed = "apiVersion: batch/v1\nkind: Job\nspec: {template: {metadata: {labels: null}, spec: {volumes: x}}}";
    check(unnamed, &["v1/Pod "], &[]);
    let generated = unnamed.replace("spec: {t", "metadata: {generateName: run-}\nspec: {t");
    check(&generated, &["v1/Pod run-pod"], &[]);
    let claims = "apiVersion: apps/v1\nkind: StatefulSet\nspec: {volumeClaimTemplates: CLAIMS, template: {spec: {volumes: LIST}}}";
    for (claim, volumes) in [("{}", "[]"), ("[{metadata: {name: a}}]", "7"), ("[[], 5, null]", "null"), ("null", "[5]")]
    {
        check(&claims.replace("CLAIMS", claim).replace("LIST", volumes), &["v1/Pod "], &[]);
    }
}

/// Every part of every kind replaced by every wrong type: nothing panics, and every path leads somewhere.
#[test]
fn no_input_panics() {
    let mut seeds = vec![
        workload("apps/v1", "StatefulSet"),
        rollout("workloadRef: {apiVersion: apps/v1, kind: Deployment, name: Web}"),
    ];
    seeds[0].push_str("  volumeClaimTemplates: [{metadata: {name: a}}]\n");
    seeds.push("apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec: {jobTemplate: {metadata: {labels: {}}, spec: {template: {metadata: {labels: {}}, spec: {containers: []}}}}}".into());
    seeds.push("apiVersion: example.com/v1\nkind: Fleet\nmetadata: {name: c}\nspec: {a: [{template: {spec: {containers: []}}}]}".into());
    let wrong = [Value::Null, json!(true), json!(-1.5), json!("x"), json!([[]]), json!({"k": null})];
    let mut tried = 0;
    for seed in &seeds {
        let seed = objects(seed)[0].value().clone();
        let mut pointers = Vec::new();
        pointers_of(&seed, String::new(), &mut pointers);
        for (pointer, value) in pointers.iter().flat_map(|pointer| wrong.iter().map(move |value| (pointer, value))) {
            let mut changed = seed.clone();
            *changed.pointer_mut(pointer).unwrap() = value.clone();
            let Ok(object) = Object::from_value(changed) else { continue };
            for resultant in expand(&object, &Referents::default()).resultants {
                let mut places = Vec::new();
                pointers_of(resultant.object.value(), String::new(), &mut places);
                for place in &places {
                    let origin = resultant.origin(&path(place));
                    let found = object.value().pointer(&to_pointer(&origin.path));
                    let value = resultant.object.value().pointer(place).unwrap();
                    let is_scalar = !value.is_object() && !value.is_array();
                    assert!(
                        origin.is_made_up || !is_scalar || found == Some(value),
                        "{place} is not at {}",
                        origin.path
                    );
                }
                tried += places.len();
            }
        }
    }
    assert!(tried > 1000, "{tried}");
}

fn pointers_of(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(key, value)| pointers_of(value, format!("{at}/{}", key.replace('/', "~1")), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| pointers_of(value, format!("{at}/{index}"), found));
        }
        _ => {}
    }
    found.push(at);
}

fn to_pointer(path: &FieldPath) -> String {
    use admit::model::object::Segment;
    let step = |segment: &Segment| match segment {
        Segment::Key(key) => format!("/{}", key.replace('/', "~1")),
        Segment::Index(index) => format!("/{index}"),
    };
    path.segments().iter().map(step).collect()
}

#[test]
fn huge_and_deep_input_is_bounded() {
    let container = json!({"name": "c", "image": "i"});
    let template = json!({"spec": {"containers": vec![container; 20_000]}});
    let fleet = json!({"apiVersion": "example.com/v1", "kind": "Fleet", "metadata": {"name": "f"},
        "spec": {"groups": vec![json!({"template": {"spec": {"containers": []}}}); 20_000], "template": template}});
    let expansion = expand(&Object::from_value(fleet).unwrap(), &Referents::default());
    assert_eq!((expansion.resultants.len(), expansion.unexpandable.len()), (20_001, 0));
    let deep = (0..900).fold(json!({"spec": {"containers": []}}), |inner, _| json!({"template": inner}));
    let deep = json!({"apiVersion": "example.com/v1", "kind": "Deep", "spec": deep});
    assert!(expand(&Object::from_value(deep).unwrap(), &Referents::default()).resultants.is_empty());
    let claims: Vec<Value> = (0..5_000).map(|index| json!({"metadata": {"name": format!("c{index}")}})).collect();
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"},
        "spec": {"volumeClaimTemplates": claims, "template": {"spec": {}}}});
    let expansion = expand(&Object::from_value(set).unwrap(), &Referents::default());
    check_origins(&expansion, &[("/spec/volumes/4999/name", "+spec.volumeClaimTemplates[4999]")]);
}

const POLICIES: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: noted}
spec:
  crd: {spec: {names: {kind: Noted}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package noted
      violation[{"msg": msg}] {
        container := input.review.object.spec.containers[_]
        not startswith(container.image, "good/")
        msg := sprintf("image %v of %v", [container.image, input.review.object.metadata.name])
      }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Noted
metadata: {name: everywhere}
spec: {match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Noted
metadata: {name: original-only}
spec: {match: {source: Original, kinds: [{apiGroups: [""], kinds: [Pod]}]}}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Noted
metadata: {name: by-namespace}
spec: {enforcementAction: warn, match: {source: Generated, namespaceSelector: {matchLabels: {tier: front}}}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {tier: front}}
---
apiVersion: v1
kind: Namespace
metadata: {name: back}
---
"#;

fn judge_text(text: &str, expands: bool) -> (Vec<Judgement>, Vec<String>) {
    let text = format!("{POLICIES}{text}");
    let (bundle, diagnostics) = bundle::load(&[], Some(&mut text.as_bytes()), BuildOptions::default());
    assert_eq!(diagnostics, []);
    let (judgements, shown) = judge_noting(&bundle, JudgeOptions { expands, ..JudgeOptions::default() });
    let mut judgements = judgements.unwrap();
    blame_all(&bundle, &mut judgements);
    (judgements, shown)
}

/// The excerpt at each violation's place, by its line.
fn lines(text: &str) -> BTreeMap<String, String> {
    let (judgements, _) = judge_text(text, true);
    let excerpt = |judgement: &Judgement| {
        let location = judgement.location().unwrap();
        let holder = judgement.elsewhere.as_ref().unwrap_or(&judgement.object);
        let line = holder.document.source().line(location.line).unwrap();
        line.chars().skip(location.column as usize - 1).collect()
    };
    judgements.iter().map(|judgement| (judgement.violation.line(), excerpt(judgement))).collect()
}

#[test]
fn resultants_are_judged_as_generated() {
    let deployment = workload("apps/v1", "Deployment");
    assert!(judge_text(&deployment, false).0.is_empty());
    let expected = [
        ("[by-namespace] [Implied by Deployment] image nginx of web-pod", "nginx}]"),
        ("[everywhere] [Implied by Deployment] image nginx of web-pod", "nginx}]"),
    ];
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(line, place)| ((*line).to_owned(), (*place).to_owned())).collect();
    assert_eq!(lines(&deployment), expected);
    // The constraint by namespace sees the labels of the generator's.
    let found = lines(&deployment.replace("shop", "back"));
    assert_eq!(found.keys().collect::<Vec<_>>(), ["[everywhere] [Implied by Deployment] image nginx of web-pod"]);
    // Pods that somebody wrote are judged by the others.
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: shop}\nspec: {containers: [{image: bad}]}";
    assert_eq!(
        lines(pod).keys().collect::<Vec<_>>(),
        ["[everywhere] image bad of p", "[original-only] image bad of p"]
    );
}

#[test]
fn places_lead_to_the_object_that_holds_the_template() {
    let reference = rollout("workloadRef: {apiVersion: apps/v1, kind: Deployment, name: Web}");
    let (judgements, shown) = judge_text(&format!("{reference}---\n{}", workload("apps/v1", "Deployment")), true);
    assert_eq!(shown, Vec::<String>::new());
    let places: Vec<_> = judgements.iter().map(|one| (one.object.object.gvk().kind.as_str(), one.location())).collect();
    let [.., (_, of_deployment)] = places.as_slice() else { panic!("{places:?}") };
    assert_eq!(places.iter().filter(|(kind, _)| *kind == "Rollout").count(), 2);
    assert!(of_deployment.is_some() && places.iter().all(|(_, place)| place == of_deployment), "{places:?}");
    let (judgements, shown) = judge_text(&reference, true);
    assert!(judgements.is_empty());
    let line = POLICIES.lines().count() + 5;
    let warning = format!(
        "warning: <stdin>:{line}:3: what argoproj.io/v1alpha1/Rollout shop/r creates was not judged: spec.workloadRef: \
         names Deployment Web in namespace shop, which is not among the given objects"
    );
    assert_eq!(shown, [warning]);
}
