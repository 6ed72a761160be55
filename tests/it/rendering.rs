//! Charts and overlays through the real `helm`, `kustomize` and `kubectl`.
//!
//! They are looked for on `PATH` and in `KUBEBUILDER_ASSETS`, the directory that `tests/cluster/prepare` prints. What is
//! missing is said on standard error, with what was not tested for it; with `ADMIT_REQUIRE_TOOLS` set, as `tests/run` sets
//! it, it is a failure.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use admit::manifest::render::{HelmChart, Overlay, Renderer};
use admit::manifest::{Document, ManifestError};
use serde_json::Value;

const HERE: &str = "tests/it/rendering";

fn fixture(path: &str) -> PathBuf {
    Path::new(HERE).join(path)
}

/// The program, or nothing after having said so.
fn tool(name: &str, tested: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let mut candidates = std::env::split_paths(&path).chain(assets).map(|directory| directory.join(name));
    let found = candidates.find(|candidate| candidate.is_file());
    if found.is_none() {
        let reason = format!(
            "rendering tests: {name} is missing, so this was not tested: {tested}; put it on PATH, or let \
             KUBEBUILDER_ASSETS be what tests/cluster/prepare prints"
        );
        assert!(std::env::var_os("ADMIT_REQUIRE_TOOLS").is_none(), "{reason}");
        // Not `eprintln!`: the output of a test that passes is held back.
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "{reason}").unwrap();
    }
    found
}

fn helm(tested: &str) -> Option<Renderer> {
    Some(Renderer { helm: tool("helm", tested)?, ..Renderer::default() })
}

/// The same work through either program.
fn kustomizers(tested: &str) -> Vec<Renderer> {
    let none = PathBuf::from("/nowhere/kustomize");
    let first = tool("kustomize", tested).map(|kustomize| Renderer { kustomize, ..Renderer::default() });
    let second = tool("kubectl", tested).map(|kubectl| Renderer { kustomize: none, kubectl, ..Renderer::default() });
    first.into_iter().chain(second).collect()
}

/// `Kind name: file (path)` of everything, sorted.
#[track_caller]
fn check(rendered: &(Vec<Document>, Vec<ManifestError>), expected: &[&str]) {
    assert_eq!(rendered.1, []);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let describe = |document: &Document| {
        let value = document.value();
        let origin = document.origin().map(|origin| format!("{} ({})", origin.file, origin.path));
        format!("{} {}: {}", text(&value["kind"]), text(&value["metadata"]["name"]), origin.unwrap_or_default())
    };
    let mut found: Vec<String> = rendered.0.iter().map(describe).collect();
    found.sort();
    assert_eq!(found, expected);
}

#[track_caller]
fn check_error(rendered: (Vec<Document>, Vec<ManifestError>), parts: &[&str]) {
    let (documents, errors) = rendered;
    let [error] = errors.as_slice() else { panic!("expected one error, found {errors:?}") };
    assert!(documents.is_empty());
    let text = format!("{error}\nhelp: {}", error.help.as_deref().unwrap_or_default());
    parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} is not in {text}"));
}

fn by_name(documents: &[Document]) -> BTreeMap<&str, &Document> {
    documents.iter().map(|document| (document.value()["metadata"]["name"].as_str().unwrap(), document)).collect()
}

const IN_CHART: [&str; 4] = [
    "Deployment release-name-shop-front: tests/it/rendering/charts/shop/templates/deployment.yaml (templates/deployment.yaml)",
    "Pod cache: tests/it/rendering/charts/shop/charts/cache/templates/pod.yaml (charts/cache/templates/pod.yaml)",
    "Service one: tests/it/rendering/charts/shop/templates/services.yaml (templates/services.yaml)",
    "Service two: tests/it/rendering/charts/shop/templates/services.yaml (templates/services.yaml)",
];

#[test]
fn charts_are_rendered_with_their_files() {
    let Some(renderer) = helm("charts") else { return };
    let chart = HelmChart { chart: fixture("charts/shop"), ..HelmChart::default() };
    let rendered = renderer.helm(&chart);
    let settings =
        "ConfigMap settings: tests/it/rendering/charts/shop/templates/settings.yaml (templates/settings.yaml)";
    check(&rendered, &[&[settings], &IN_CHART[..]].concat());
    let found = by_name(&rendered.0);
    let deployment = found["release-name-shop-front"];
    assert_eq!(deployment.value()["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:1");
    // Places are those of the rendered text.
    assert_eq!(&**deployment.source().name(), "<helm template tests/it/rendering/charts/shop>");
    let location = deployment.location();
    assert_eq!(deployment.source().line(location.line), Some("apiVersion: apps/v1"));
    assert_eq!(found["settings"].value()["data"]["text"].as_str().unwrap().lines().count(), 3);
}

#[test]
fn charts_take_values_names_and_arguments() {
    let Some(renderer) = helm("values of charts") else { return };
    let values = ["charts/shop/production.yaml", "charts/shop/a, \"b\".yaml"].map(fixture).to_vec();
    let chart = HelmChart {
        chart: fixture("charts/shop"),
        values,
        release: Some("live".to_owned()),
        namespace: Some("front".to_owned()),
        arguments: vec!["--include-crds".into()],
    };
    let (documents, errors) = renderer.helm(&chart);
    assert_eq!(errors, []);
    let found = by_name(&documents);
    let deployment = found["live-shop-front"].value();
    assert_eq!(deployment["metadata"]["namespace"], "front");
    assert_eq!(deployment["spec"]["replicas"], 3);
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["image"], "registry.example.com/nginx:2");
    for name in ["fleets.example.com", "ships.example.com"] {
        assert_eq!(found[name].origin().map(|origin| &*origin.path), Some("crds/fleets.yaml"), "{name}");
    }
}

#[test]
fn archives_of_charts_are_charts() {
    let Some(renderer) = helm("archives of charts") else { return };
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().to_str().unwrap();
    let package = std::process::Command::new(&renderer.helm)
        .args(["package", fixture("charts/shop").to_str().unwrap(), "--destination", target])
        .output()
        .unwrap();
    assert!(package.status.success(), "{package:?}");
    let chart = HelmChart { chart: directory.path().join("shop-front-1.0.0.tgz"), ..HelmChart::default() };
    let (documents, errors) = renderer.helm(&chart);
    assert_eq!((documents.len(), errors.as_slice()), (5, &[][..]));
    let origin = by_name(&documents)["cache"].origin().unwrap().clone();
    assert_eq!(&*origin.path, "charts/cache/templates/pod.yaml");
    assert_eq!(*origin.file, format!("{target}/shop-front-1.0.0.tgz/charts/cache/templates/pod.yaml"));
}

#[test]
fn charts_that_cannot_be_rendered_say_why() {
    let chart = |path: &str| HelmChart { chart: fixture(path), ..HelmChart::default() };
    let missing = Renderer { helm: "/nowhere/helm".into(), ..Renderer::default() };
    check_error(
        missing.helm(&chart("charts/shop")),
        &[
            "tests/it/rendering/charts/shop: /nowhere/helm is not installed, or not on PATH",
            "help: install helm",
            "helm template tests/it/rendering/charts/shop | admit lint -",
        ],
    );
    check_error(missing.helm(&chart("charts/gone")), &["tests/it/rendering/charts/gone: no such file or directory"]);
    let values = HelmChart { values: vec![fixture("gone.yaml")], ..chart("charts/shop") };
    check_error(missing.helm(&values), &["tests/it/rendering/gone.yaml: no such file or directory"]);
    let Some(renderer) = helm("errors of charts") else { return };
    check_error(
        renderer.helm(&chart("overlays/base")),
        &["template failed (exit status: 1): ", "Chart.yaml file is missing"],
    );
    let directory = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| std::fs::write(directory.path().join(path), text).unwrap();
    std::fs::create_dir(directory.path().join("templates")).unwrap();
    write("Chart.yaml", "apiVersion: v2\nname: broken\nversion: 1.0.0\n");
    write("templates/a.yaml", "a: {{ required \"say who owns it\" .Values.owner }}\n");
    let broken = HelmChart { chart: directory.path().to_owned(), ..HelmChart::default() };
    check_error(renderer.helm(&broken), &["broken/templates/a.yaml:1", "say who owns it"]);
    write("templates/a.yaml", &"a: b\n---\n".repeat(20));
    let bounded = Renderer { largest: 100, ..renderer.clone() };
    check_error(bounded.helm(&broken), &["template wrote more than 100 bytes and was stopped"]);
    let slow = Renderer { time: Duration::ZERO, ..renderer };
    check_error(slow.helm(&broken), &["template did not end within 0 seconds and was stopped"]);
}

#[test]
fn overlays_are_built_with_their_files() {
    for renderer in kustomizers("overlays") {
        for path in ["overlays/production", "overlays/production/kustomization.yaml"] {
            let rendered = renderer.kustomize(&Overlay { path: fixture(path), ..Overlay::default() });
            let names: Vec<_> = rendered.0.iter().filter_map(|one| one.value()["metadata"]["name"].as_str()).collect();
            let settings = names.iter().find(|name| name.starts_with("shop-settings-")).unwrap();
            check(
                &rendered,
                &[
                    &format!(
                        "ConfigMap {settings}: tests/it/rendering/overlays/base/kustomization.yaml (../base/kustomization.yaml)"
                    ),
                    "Deployment shop-web: tests/it/rendering/overlays/base/deployment.yaml (../base/deployment.yaml)",
                    "Service shop-one: tests/it/rendering/overlays/production/services.yaml (services.yaml)",
                    "Service shop-two: tests/it/rendering/overlays/production/services.yaml (services.yaml)",
                ],
            );
            let found = by_name(&rendered.0);
            let image = &found["shop-web"].value()["spec"]["template"]["spec"]["containers"][0]["image"];
            assert_eq!(image, "nginx:2");
            // As it would be applied: without the annotation, and without annotations where there were none.
            assert_eq!(found["shop-one"].value()["metadata"]["annotations"], serde_json::json!({"note": "kept"}));
            assert_eq!(found["shop-two"].value()["metadata"].get("annotations"), None);
            assert_eq!(&**found["shop-two"].source().name(), format!("<kustomize build {}>", fixture(path).display()));
        }
    }
}

#[test]
fn overlays_may_lie_behind_links_and_take_arguments() {
    for renderer in kustomizers("links to overlays") {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("a link");
        std::os::unix::fs::symlink(std::fs::canonicalize(fixture("overlays/production")).unwrap(), &link).unwrap();
        let (documents, errors) = renderer.kustomize(&Overlay { path: link.clone(), ..Overlay::default() });
        assert_eq!((documents.len(), errors.as_slice()), (4, &[][..]));
        let origin = by_name(&documents)["shop-web"].origin().unwrap().clone();
        assert_eq!(*origin.file, *"tests/it/rendering/overlays/base/deployment.yaml");
        // Outside of the working directory, files have their whole path. A file above the overlay must be allowed.
        let outside = directory.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(directory.path().join("pod.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n").unwrap();
        std::fs::write(outside.join("Kustomization"), "resources: [../pod.yaml]\n").unwrap();
        let refused = Overlay { path: outside, ..Overlay::default() };
        let shown = refused.path.display().to_string();
        check_error(
            renderer.kustomize(&refused),
            &["kustomize build failed", "security", &format!("kustomize build {shown}")],
        );
        let arguments = ["--load-restrictor", "LoadRestrictionsNone"].map(Into::into).to_vec();
        let (documents, errors) = renderer.kustomize(&Overlay { arguments, ..refused });
        assert_eq!(errors, []);
        let origin = documents[0].origin().unwrap();
        let real = std::fs::canonicalize(directory.path()).unwrap().join("pod.yaml");
        assert_eq!((&*origin.file, &*origin.path), (real.to_str().unwrap(), "../pod.yaml"));
    }
}

#[test]
fn overlays_that_cannot_be_built_say_why() {
    let overlay = |path: &str| Overlay { path: fixture(path), ..Overlay::default() };
    let missing =
        Renderer { kustomize: "/nowhere/kustomize".into(), kubectl: "/nowhere/kubectl".into(), ..Renderer::default() };
    check_error(
        missing.kustomize(&overlay("overlays/base")),
        &[
            "overlays/base: neither kustomize nor kubectl is installed",
            "kustomize build tests/it/rendering/overlays/base | admit lint -",
        ],
    );
    check_error(missing.kustomize(&overlay("overlays/gone")), &["overlays/gone: no such file or directory"]);
    check_error(missing.kustomize(&overlay("charts")), &["charts: found no kustomization.yaml in this directory"]);
    for renderer in kustomizers("errors of overlays") {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("kustomization.yml"), "resources: [gone.yaml]\n").unwrap();
        let broken = Overlay { path: directory.path().to_owned(), ..Overlay::default() };
        check_error(renderer.kustomize(&broken), &["kustomize build failed (exit status: 1): ", "gone.yaml"]);
    }
}
