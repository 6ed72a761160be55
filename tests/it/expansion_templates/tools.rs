//! `admit test`, `admit lint` and `admit why` on generators: the same violations, each said once.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::*;

const NO_LATEST: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: nolatest}
spec:
  crd: {spec: {names: {kind: NoLatest}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package nolatest
        violation[{"msg": msg}] {
          container := input.review.object.spec.containers[_]
          endswith(container.image, ":latest")
          msg := sprintf("container %v uses latest", [container.name])
        }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: NoLatest
metadata: {name: no-latest}
spec: {match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}}
---
"#;

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: default
spec:
  template:
    spec:
      containers:
        - name: app
          image: web:latest
";

const NIGHTLY: &str = "apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly
  namespace: default
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers:
            - name: app
              image: web:latest
";

fn admit(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
    command.args(arguments).current_dir(directory).stdin(std::process::Stdio::null()).output().unwrap()
}

/// `rule: field at line:column` of what lint finds in the manifest, beside the policies.
fn lint(policies: &[&str], manifest: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("policies.yaml"), policies.concat()).unwrap();
    std::fs::write(directory.path().join("manifest.yaml"), manifest).unwrap();
    let output = admit(directory.path(), &["lint", "-p", "policies.yaml", "-o", "json", "manifest.yaml"]);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|one| {
            let place = [&one["place"]["line"], &one["place"]["column"]].map(ToString::to_string).join(":");
            format!("{} {place} {}", one["message"].as_str().unwrap(), one["implied"].as_str().unwrap_or("-"))
        })
        .collect()
}

#[test]
fn lint_says_once_what_a_template_and_what_it_knows_itself_find() {
    let found = lint(&[NO_LATEST], WEB);
    assert_eq!(found, ["container app uses latest 11:18 Pod"]);
    assert_eq!(lint(&[NO_LATEST, DEPLOYMENTS], WEB), found);
}

#[test]
fn lint_goes_on_where_templates_end() {
    let found = lint(&[NO_LATEST], NIGHTLY);
    assert_eq!(found, ["container app uses latest 13:22 Pod"]);
    let jobs = template("jobs", "batch/v1/CronJob", "spec.jobTemplate", "batch/v1/Job", "");
    assert_eq!(lint(&[NO_LATEST, &jobs], NIGHTLY), found);
    let pods = template("pods", "batch/v1/Job", "spec.template", "v1/Pod", "");
    assert_eq!(lint(&[NO_LATEST, &jobs, &pods], NIGHTLY), found);
    assert_eq!(lint(&[NO_LATEST, &pods], NIGHTLY), found);
}

#[test]
fn a_template_wins_over_what_lint_knows_itself() {
    // It says that a Deployment generates something else: there is no Pod then.
    let other = template("other", "apps/v1/Deployment", "spec.template", "g.io/v1/Other", "");
    assert_eq!(lint(&[NO_LATEST, &other], WEB), [""; 0]);
}

#[test]
fn all_tools_and_the_webhook_agree() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("all.yaml", &[NO_LATEST, DEPLOYMENTS, WEB].concat());
    let output = admit(directory.path(), &["test", "-f", "all.yaml"]);
    let line = "apps/v1/Deployment default/web: [\"no-latest\"] Message: \"[Implied by expand-deployments] container app uses \
                latest\"\n";
    assert_eq!((String::from_utf8_lossy(&output.stdout).as_ref(), output.status.code()), (line, Some(1)));
    // Not twice, either.
    let output = admit(directory.path(), &["test", "-f", "all.yaml", "--expand"]);
    assert_eq!((String::from_utf8_lossy(&output.stdout).as_ref(), output.status.code()), (line, Some(1)));
    let output = admit(directory.path(), &["test", "-f", "all.yaml", "-o", "json"]);
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    let blame = &results[0]["blame"];
    assert_eq!(blame["field"], "spec.template.spec.containers[0].image");
    assert!(blame["line"].as_u64().is_some_and(|line| line > 20), "{blame}");
    write("policies.yaml", &[NO_LATEST, DEPLOYMENTS].concat());
    write("web.yaml", WEB);
    let output = admit(directory.path(), &["why", "web.yaml", "-f", "policies.yaml"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("is denied at") && text.contains("violated: NoLatest/no-latest"), "{text}");
    assert!(text.contains("[Implied by expand-deployments] container app uses latest"), "{text}");
    let response = create(&[NO_LATEST, DEPLOYMENTS], &web());
    assert_eq!(response.message, "[no-latest] [Implied by expand-deployments] container app uses latest");
}

fn web() -> Value {
    let (documents, _) = admit::manifest::parse(&Arc::new(admit::manifest::Source::new("web", WEB.to_owned())));
    documents.into_iter().next().unwrap().into_value()
}

#[test]
fn a_generator_that_cannot_be_expanded_is_told_at_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let broken = WEB.replace(
        "  template:\n    spec:\n      containers:\n        - name: app\n          image: web:latest\n",
        "  a: b\n",
    );
    std::fs::write(directory.path().join("all.yaml"), [NO_LATEST, DEPLOYMENTS, &broken].concat()).unwrap();
    for command in
        [&["test", "-f", "all.yaml"][..], &["expand", "-n", "all.yaml"], &["lint", "-p", "all.yaml", "all.yaml"]]
    {
        let output = admit(directory.path(), command);
        let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("could not find source field \"spec.template\" in resource web"), "{command:?}: {text}");
        assert!(!output.status.success());
    }
    // Whoever has other objects beside it is told of those.
    let both = [NO_LATEST, DEPLOYMENTS, &broken, "---\n", &WEB.replace("name: web", "name: other")].concat();
    std::fs::write(directory.path().join("all.yaml"), both).unwrap();
    let output = admit(directory.path(), &["lint", "-p", "all.yaml", "all.yaml"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("container app uses latest"), "{output:?}");
}

#[test]
fn a_template_in_a_file_that_cannot_be_used_is_told_and_nothing_is_judged() {
    let directory = tempfile::tempdir().unwrap();
    let there = template("there", "apps/v1/Deployment", "spec.template", "g.io/v1/A", "");
    let back = template("back", "g.io/v1/A", "spec", "apps/v1/Deployment", "");
    std::fs::write(directory.path().join("all.yaml"), [NO_LATEST, &there, &back, WEB].concat()).unwrap();
    for command in [&["test", "-f", "all.yaml"][..], &["expand", "-n", "all.yaml"]] {
        let output = admit(directory.path(), command);
        let lines: BTreeSet<String> = String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect();
        let told = lines.iter().filter(|line| line.contains("template forms expansion cycle")).count();
        assert_eq!((told, output.status.code(), output.stdout.len()), (2, Some(1), 0), "{command:?}: {lines:?}");
    }
}
