//! `admit lint` on files that nobody should have written: each is told with its place, the others are judged all the same.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
          msg := input.review.object.spec.containers[_].image
          endswith(msg, ":latest")
        }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sLatest
metadata: {name: latest}
"#;
/// One file may take so much memory, and so many times its own size.
const MEMORY: u64 = 200 << 20;
const TIMES: u64 = 12;
const BIG: usize = 100 << 20;

/// A directory with policies, and one with a good file.
struct Directory(tempfile::TempDir);

/// What lint said.
struct Answer {
    found: Vec<String>,
    problems: Vec<String>,
    stderr: String,
    code: Option<i32>,
}

impl Directory {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("policies.yaml"), POLICIES).unwrap();
        fs::create_dir(directory.path().join("in")).unwrap();
        let directory = Self(directory);
        directory.write("good.yaml", pod("good").as_bytes());
        directory
    }

    fn input(&self) -> std::path::PathBuf {
        self.0.path().join("in")
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.input().join(name), content).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
        command.current_dir(self.0.path()).args(["lint", "-p", "policies.yaml", "in"]);
        command
    }

    fn lint(&self) -> Answer {
        let output = self.command().args(["-o", "json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let texts = |list: &str, show: &dyn Fn(&Value) -> String| -> Vec<String> {
            report[list].as_array().unwrap().iter().map(show).collect()
        };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Answer {
            found: texts("findings", &|one| format!("{} {}", text(&one["place"]["file"]), text(&one["message"]))),
            problems: texts("problems", &|one| format!("{}: {}", text(&one["place"]), text(&one["message"]))),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }
}

fn pod(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: a, image: {name}:latest}}]}}\n"
    )
}

/// That a file is told with these words, and the good one beside it judged.
#[track_caller]
fn refused(content: &[u8], expected: &str, help: &str) {
    let directory = Directory::new();
    directory.write("bad.yaml", content);
    let answer = directory.lint();
    assert_eq!(answer.found, ["in/good.yaml good:latest"]);
    assert_eq!(answer.problems, [format!("in/bad.yaml:{expected}")]);
    assert!(answer.stderr.contains(help) && answer.stderr.starts_with("error: in/bad.yaml:"), "{}", answer.stderr);
    assert_eq!(answer.code, Some(3));
}

#[test]
fn what_is_no_manifest() {
    let words = "1:1: expected a Kubernetes object (a mapping), found a string (\"just words\")";
    refused(b"just words\n", words, "begins with its type");
    refused(b"a: [\n", "1:4: `[` is opened and never closed", "");
    refused(
        b"apiVersion: v1\nkind: Pod\nmetadata:\n\tname: x\n",
        "4:1: found a tab where only spaces may indent",
        "indent with",
    );
    refused(b"\x89PNG\r\n\x1a\n\0\0", "1:1: byte 0x89 at offset 0 is not UTF-8 text", "binary file; leave it out");
    let latin = b"apiVersion: v1\nkind: Pod\nmetadata: {name: \"\xe9\"}\n";
    refused(latin, "3:19: byte 0xe9 at offset 43 is not UTF-8 text", "save the file as UTF-8");
}

#[test]
fn aliases_that_grow() {
    let mut text = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (inner, outer) in "abcdefghijkl".chars().zip("bcdefghijklm".chars()) {
        text += &format!("{outer}: &{outer} [{}]\n", vec![format!("*{inner}"); 9].join(","));
    }
    let begun = Instant::now();
    refused(
        text.as_bytes(),
        "6:23: the aliases of this document expand to far more than the document itself",
        "write the repeated values out",
    );
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn line_ends_of_windows() {
    let directory = Directory::new();
    directory.write("bad.yaml", pod("crlf").replace('\n', "\r\n").as_bytes());
    let answer = directory.lint();
    assert_eq!(answer.found, ["in/bad.yaml crlf:latest", "in/good.yaml good:latest"]);
    assert_eq!((answer.stderr.as_str(), answer.code), ("", Some(1)));
}

#[test]
fn keys_that_stand_twice() {
    let directory = Directory::new();
    directory.write("bad.yaml", format!("kind: Service\n{}", pod("twice")).as_bytes());
    let answer = directory.lint();
    let twice = "in/bad.yaml kind stands twice: the value here counts, that of line 1 is lost";
    assert_eq!(answer.found, [twice, "in/bad.yaml twice:latest", "in/good.yaml good:latest"]);
    assert_eq!((answer.stderr.as_str(), answer.code), ("", Some(1)));
}

#[cfg(unix)]
#[test]
fn links_that_lead_back() {
    let directory = Directory::new();
    std::os::unix::fs::symlink(".", directory.input().join("loop")).unwrap();
    std::os::unix::fs::symlink("../in", directory.input().join("other")).unwrap();
    std::os::unix::fs::symlink("nowhere", directory.input().join("broken.yaml")).unwrap();
    std::os::unix::fs::symlink("self.yaml", directory.input().join("self.yaml")).unwrap();
    let answer = directory.lint();
    assert_eq!(answer.found, ["in/good.yaml good:latest"]);
    assert_eq!((answer.problems.len(), answer.code), (2, Some(3)), "{}", answer.stderr);
}

#[test]
fn readers_that_have_seen_enough() {
    let directory = Directory::new();
    for number in 0..500 {
        directory.write(&format!("{number}.yaml"), pod(&format!("p{number}")).as_bytes());
    }
    let mut child = directory.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "error[K8sLatest]: p0:latest");
    drop(lines);
    let output = child.wait_with_output().unwrap();
    assert_eq!((String::from_utf8(output.stderr).unwrap().as_str(), output.status.code()), ("", Some(1)));
}

/// 100 MB in one value: read, judged, and no more than a few copies of it in memory.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes minutes without optimisation"]
fn a_file_of_100_megabytes() {
    let directory = Directory::new();
    let path = directory.input().join("big.yaml");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n  key: ";
    write!(file, "{map}{}\n---\n{}", "v".repeat(BIG), pod("behind")).unwrap();
    file.into_inner().unwrap().sync_all().unwrap();
    let mut command = directory.command();
    let mut child = command.args(["-o", "github"]).stdout(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let (mut most, begun) = (0, Instant::now());
    while child.try_wait().unwrap().is_none() {
        most = most.max(resident(Path::new(&status)));
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().matches("::error").count(), 2);
    assert!(most < MEMORY + TIMES * BIG as u64, "{most} bytes");
    assert!(begun.elapsed() < Duration::from_secs(300), "{:?}", begun.elapsed());
}

#[cfg(target_os = "linux")]
fn resident(status: &Path) -> u64 {
    let status = fs::read_to_string(status).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() * 1024
}
