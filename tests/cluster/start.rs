//! From nothing to enforced: one file with everything, and how long a replica takes to be ready.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::LATER;
use super::environment::{AdmitServer, Environment, wait_until};

/// The promise is 5 s; the rest is what a busy machine needs.
const CONVERGENCE: Duration = Duration::from_secs(20);

#[test]
fn one_file_with_everything_converges_with_one_more_apply_of_the_constraint() {
    let (_turn, environment) = Environment::to_break();
    // It was there first, and has asked for kinds that did not exist for a while.
    let admit = AdmitServer::begin(environment, &["--shutdown-delay=0"]);
    assert!(wait_until(LATER, || admit.readiness().contains("policies are still being loaded")), "{}", admit.log());
    std::thread::sleep(Duration::from_secs(4));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: PathBuf| std::fs::read_to_string(&path).unwrap();
    let mut parts: Vec<String> = sorted_files(&root.join("crds")).into_iter().map(read).collect();
    parts.push(read(root.join("policies/general/allowedrepos/template.yaml")));
    let constraint = super::approved_registries("one-file", "default", "deny").to_string();
    parts.push(constraint.clone());
    let file = environment.directory("one-file").join("everything.yaml");
    std::fs::write(&file, parts.join("\n---\n")).unwrap();

    let begun = Instant::now();
    let apply = || environment.kubectl(&["apply", "-f", file.to_str().unwrap()]);
    let first = apply();
    // kubectl itself knows no kind that the same file makes: of ours only those whose CRDs came before.
    assert!(first.stderr.contains("no matches for kind \"K8sAllowedRepos\""), "{}{}", first.stdout, first.stderr);
    let applied_template = || environment.kubectl(&["get", "constrainttemplate", "k8sallowedrepos"]).success;
    if !applied_template() {
        assert!(first.stderr.contains("no matches for kind \"ConstraintTemplate\""), "{}", first.stderr);
        assert!(wait_until(LATER, || apply().stdout.contains("k8sallowedrepos created")), "{}", apply().stderr);
    }
    let template = Instant::now();
    assert!(wait_until(CONVERGENCE, || environment.apply(&constraint).success), "{}", admit.log());
    let served = template.elapsed();
    let pod = ["run", "web", "--image=registry.example.com/elsewhere/web", "--dry-run=server"];
    let scope = environment.scope("one-file");
    let _webhook = scope.register(&admit, "Fail");
    environment.kubectl(&["label", "namespace", "default", "admit-test=one-file"]).checked();
    let is_denied = || environment.kubectl(&pod).stderr.contains("[one-file] container \"web\"");
    assert!(wait_until(CONVERGENCE, is_denied), "{}\n{}", environment.kubectl(&pod).stderr, admit.log());
    println!(
        "constraint kind served {served:?} after the template, enforced {:?} after it, {:?} after the first apply",
        template.elapsed(),
        begun.elapsed()
    );
    assert!(wait_until(CONVERGENCE, || admit.is_ready()), "{}", admit.log());
}

fn sorted_files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Measures; `tests/bench/start` runs it, with a release build. `ADMIT_BENCH_POLICIES` is a folder of templates
/// (`*-template.yaml`) and their constraints.
#[test]
#[ignore = "a measurement"]
fn ready_on_a_warm_api_server() {
    let (_turn, environment) = Environment::to_break();
    super::apply_crds(environment);
    let folder = std::env::var("ADMIT_BENCH_POLICIES").expect("ADMIT_BENCH_POLICIES names a folder of policies");
    let files = sorted_files(Path::new(&folder));
    let (templates, constraints): (Vec<_>, Vec<_>) =
        files.iter().partition(|path| path.to_str().unwrap().ends_with("-template.yaml"));
    let first = AdmitServer::start(environment, &["--shutdown-delay=0"]);
    let begun = Instant::now();
    let apply_all = |files: &[&PathBuf]| {
        let text: Vec<String> = files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        environment.apply(&text.join("\n---\n"))
    };
    apply_all(&templates).checked();
    assert!(wait_until(LATER * 6, || apply_all(&constraints).success), "{}", apply_all(&constraints).stderr);
    println!("{} templates and {} constraints applied in {:?}", templates.len(), constraints.len(), begun.elapsed());
    drop(first);
    for _ in 0..5 {
        let spawned = SystemTime::now();
        let admit = AdmitServer::start(environment, &["--shutdown-delay=0"]);
        let log = admit.log();
        let since = |message: &str| -> f64 {
            let line = log.lines().find(|line| line.contains(message)).unwrap_or_else(|| panic!("{message}: {log}"));
            let line: Value = serde_json::from_str(line).unwrap();
            line["ts"].as_f64().unwrap() - spawned.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
        };
        println!(
            "listening after {:.3} s, ready after {:.3} s, {:?} of processor time",
            since("\"listening\""),
            since("\"ready\""),
            admit.processor_time()
        );
        if std::env::var_os("ADMIT_BENCH_LOG").is_some() {
            println!("{log}");
        }
    }
}
