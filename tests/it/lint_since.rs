//! `admit lint --since` on real git repositories: which findings count as new.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const POLICIES: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8slatest}
spec:
  crd: {spec: {names: {kind: K8sLatest}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k8slatest
        violation[{"msg": msg}] {
          image := input.review.object.spec.containers[_].image
          endswith(image, ":latest")
          msg := image
        }
        violation[{"msg": "no owner"}] { not input.review.object.metadata.labels.owner }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sLatest
metadata: {name: latest}
"#;

/// A repository in a directory of its own, with the policies beside it.
struct Repository(tempfile::TempDir);

impl Repository {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("policies.yaml"), POLICIES).unwrap();
        fs::create_dir(directory.path().join("work")).unwrap();
        let repository = Self(directory);
        repository.git(&["init", "-q", "."]);
        // What people may have configured must not matter.
        for (key, value) in [
            ("user.name", "a"),
            ("user.email", "a@example.com"),
            ("diff.noprefix", "true"),
            ("diff.context", "9"),
            ("diff.interHunkContext", "9"),
            ("diff.relative", "true"),
            ("diff.external", "false"),
            ("color.ui", "always"),
        ] {
            repository.git(&["config", key, value]);
        }
        repository
    }

    fn root(&self) -> std::path::PathBuf {
        self.0.path().join("work")
    }

    fn git(&self, arguments: &[&str]) {
        let output = Command::new("git").current_dir(self.root()).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "x"]);
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn lint(&self, directory: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
        let policies = self.0.path().join("policies.yaml");
        command.current_dir(self.root().join(directory)).arg("lint").arg("-p").arg(policies).args(arguments);
        command.args(["-o", "json"]).output().unwrap()
    }

    /// Findings since the last commit as `file message`.
    #[track_caller]
    fn check(&self, directory: &str, expected: &[&str]) {
        let output = self.lint(directory, &[".", "--since", "HEAD"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let findings = report["findings"].as_array().unwrap_or_else(|| panic!("{output:?}"));
        let show =
            |one: &Value| format!("{} {}", one["place"]["file"].as_str().unwrap(), one["message"].as_str().unwrap());
        assert_eq!(findings.iter().map(show).collect::<Vec<_>>(), expected);
        assert_eq!(output.status.code(), Some(i32::from(!expected.is_empty())));
    }
}

/// A Pod with these images and an owner.
fn pod(name: &str, images: &[&str]) -> String {
    let containers: String =
        images.iter().map(|image| format!("    - name: {image}\n      image: {image}:latest\n")).collect();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  labels:\n    app: x\n    owner: me\nspec:\n  containers:\n{containers}"
    )
}

#[test]
fn only_changed_lines_count() {
    let repository = Repository::new();
    repository.write("a.yaml", &pod("a", &["one", "two"]));
    repository.commit();
    repository.check("", &[]);
    repository.write("a.yaml", &pod("a", &["zero", "one", "two"]));
    repository.check("", &["./a.yaml zero:latest"]);
    // Staged or not is all the same.
    repository.git(&["add", "-A"]);
    repository.check("", &["./a.yaml zero:latest"]);
    repository.commit();
    repository.write("a.yaml", &format!("# one more line\n{}", pod("a", &["zero", "one", "two"])));
    repository.check("", &[]);
}

#[test]
fn what_was_taken_out_counts_where_it_is_missing() {
    let repository = Repository::new();
    repository.write("a.yaml", &pod("a", &["one"]));
    repository.commit();
    repository.write("a.yaml", &pod("a", &["one"]).replace("    owner: me\n", ""));
    repository.check("", &["./a.yaml no owner"]);
    repository.commit();
    repository.write("a.yaml", &pod("a", &["two"]).replace("    owner: me\n", ""));
    repository.check("", &["./a.yaml two:latest"]);
}

#[test]
fn new_files_count_wholly_and_renamed_ones_by_their_lines() {
    let repository = Repository::new();
    let many: Vec<String> = (0..20).map(|number| format!("old{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    repository.write("old.yaml", &pod("a", &many));
    repository.write(".gitignore", "ignored.yaml\n");
    repository.commit();
    repository.git(&["mv", "old.yaml", "moved.yaml"]);
    repository.check("", &[]);
    repository.write("moved.yaml", &format!("{}    - name: x\n      image: new:latest\n", pod("a", &many)));
    repository.write("ignored.yaml", &pod("b", &["ignored"]));
    repository.write("untracked.yaml", &pod("c", &["untracked"]));
    // What Git is told to leave out is left out when directories are searched.
    repository.check("", &["./moved.yaml new:latest", "./untracked.yaml untracked:latest"]);
}

#[test]
fn names_may_be_anything_and_directories_are_where_they_are() {
    let repository = Repository::new();
    let names = ["sub dir/a b.yaml", "sub dir/\"q\".yaml", "sub dir/é\t.yaml", "sub dir/b -> c.yaml", "other.yaml"];
    for name in names {
        repository.write(name, &pod("a", &["one"]));
    }
    repository.commit();
    repository.check("sub dir", &[]);
    for name in names {
        repository.write(name, &pod("a", &["one", "two"]));
    }
    repository.check(
        "sub dir",
        &["./\"q\".yaml two:latest", "./a b.yaml two:latest", "./b -> c.yaml two:latest", "./é\t.yaml two:latest"],
    );
    // From outside of the repository's top, by an absolute name.
    let file = repository.root().join("other.yaml");
    let output = repository.lint("sub dir", &[file.to_str().unwrap(), "--since", "HEAD"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["summary"]["unchanged"], 1);
}

#[test]
fn what_changed_policies_find_counts_everywhere() {
    let repository = Repository::new();
    let template = POLICIES.split("---").next().unwrap();
    let owners = template.replace("k8slatest", "k8sowner").replace("K8sLatest", "K8sOwner");
    let constraint = |kind: &str, spec: &str| {
        let head = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: ";
        format!("---\n{head}{kind}\nmetadata: {{name: one}}\nspec: {{{spec}}}\n")
    };
    let write = |template: &str, spec: &str| {
        let first = format!("{template}{}", constraint("K8sLatest", spec));
        repository.write("policies/all.yaml", &format!("{first}---\n{owners}{}", constraint("K8sOwner", "")));
    };
    let check = |expected: usize, told: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
        command
            .current_dir(repository.root())
            .args(["lint", "apps", "-p", "policies", "--since", "HEAD", "-o", "json"]);
        let output = command.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(report["findings"].as_array().map(Vec::len), Some(expected), "{stderr}");
        assert_eq!((stderr.as_str(), output.status.code()), (told, Some(i32::from(expected > 0))));
    };
    let told =
        |name: &str| format!("note: changed since HEAD: {name}; what they find in unchanged lines is told, too\n");
    repository.write("apps/a.yaml", &pod("a", &["one"]));
    write(template, "");
    repository.commit();
    check(0, "");
    write(template, "match: {namespaces: [\"*\"]}");
    check(1, &told("K8sLatest/one"));
    write(&template.replace("msg := image", "msg := concat(\" \", [\"no\", image])"), "");
    check(1, &told("K8sLatest"));
    write(&format!("# Only words.\n{template}"), "");
    check(0, "");
    repository.commit();
    repository.git(&["rm", "-q", "--cached", "policies/all.yaml"]);
    check(2, &told("K8sLatest, K8sLatest/one, K8sOwner, K8sOwner/one"));
    // What is not to be committed is not new.
    repository.write(".gitignore", "/policies\n");
    check(0, "");
}

#[test]
fn what_cannot_be_asked_is_told() {
    let repository = Repository::new();
    repository.write("a.yaml", &pod("a", &["one"]));
    repository.commit();
    let check = |output: Output, expected: &str| {
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), told.contains(expected)), (Some(3), true), "{told}");
    };
    check(repository.lint("", &[".", "--since", "nothing"]), "git knows no such revision");
    check(repository.lint("", &[".", "--since=--output=x"]), "git knows no such revision");
    assert!(!Path::new("x").exists());
    fs::remove_dir_all(repository.root().join(".git")).unwrap();
    check(repository.lint("", &[".", "--since", "HEAD"]), "--since needs a git repository around");
    let output = Command::new(env!("CARGO_BIN_EXE_admit"))
        .current_dir(repository.root())
        .env("PATH", "")
        .args(["lint", ".", "-p", "../policies.yaml", "--since", "HEAD"])
        .output();
    check(output.unwrap(), "no program `git` is found");
}
