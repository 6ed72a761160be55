//! `admit policy install`: a pack into a cluster, again, over what somebody else has set, and over an older version.

use std::process::Command;

use serde_json::{Value, json};

use super::LATER;
use super::environment::{AdmitServer, Environment, User, wait_until};

/// A pack, and a policy with a SyncSet.
const NAMES: [&str; 2] = ["supply-chain", "uniqueserviceselector"];
/// A constraint of the pack, the resource of its kind, and a parameter of it that is a list of strings.
const NAME: &str = "no-latest-tag";
const RESOURCE: &str = "k8sdisallowedtags";
const PARAMETER: &str = "tags";

struct Cluster(&'static Environment);

impl Cluster {
    /// Exit code, and what was printed.
    fn install_as(&self, user: User, arguments: &[&str]) -> (i32, String) {
        let kubeconfig = self.0.kubeconfig(user);
        let mut command = Command::new(env!("CARGO_BIN_EXE_admit"));
        command.args(["policy", "install"]).args(NAMES).arg("--kubeconfig").arg(kubeconfig).args(arguments);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.code().unwrap(), text)
    }

    fn install(&self, arguments: &[&str]) -> (i32, String) {
        self.install_as(User::Admin, arguments)
    }

    /// All lines, but those of `except`, say this.
    #[track_caller]
    fn check_all(&self, arguments: &[&str], code: i32, outcome: &str, except: &str) -> String {
        let (found, text) = self.install(arguments);
        let others = text.lines().filter(|line| except.is_empty() || !line.contains(except));
        assert!(others.clone().count() > 3 && others.clone().all(|line| line.contains(outcome)), "{outcome}: {text}");
        assert_eq!(found, code, "{text}");
        text
    }

    fn constraint(&self) -> Value {
        let output = self.0.kubectl(&["get", RESOURCE, NAME, "-o", "json"]).checked();
        serde_json::from_str(&output.stdout).unwrap()
    }

    fn patch(&self, spec: &Value) {
        let patch = json!({ "spec": spec }).to_string();
        self.0.kubectl(&["patch", RESOURCE, NAME, "--type=merge", "-p", &patch]).checked();
    }

    fn action(&self) -> Value {
        self.constraint()["spec"]["enforcementAction"].take()
    }
}

fn line<'a>(text: &'a str, of: &str) -> &'a str {
    text.lines().find(|line| line.contains(of)).unwrap_or_else(|| panic!("{of} is not in {text}"))
}

#[test]
fn a_pack_is_installed_kept_and_brought_up_to_date() {
    let environment: &'static Environment = Box::leak(Box::new(Environment::own()));
    let cluster = Cluster(environment);
    let (code, text) = cluster.install(&[]);
    assert!(code == 2 && text.contains("does not know the kind ConstraintTemplate"), "{code}: {text}");
    environment.apply_file("deploy/manifests/rbac.yaml").checked();
    environment.apply_file("crds").checked();
    environment.kubectl(&["wait", "--for=condition=Established", "--timeout=20s", "crd", "--all"]).checked();

    let text = cluster.check_all(&["--dry-run"], 0, "(dry run)", "");
    assert!(line(&text, "ConstraintTemplate/").contains(" created (dry run)"), "{text}");
    assert!(line(&text, NAME).contains(" not checked (dry run): the API server can tell once the kind"), "{text}");
    let templates = || environment.kubectl(&["get", "constrainttemplates", "-o", "name"]).checked().stdout;
    assert_eq!(templates(), "", "a dry run");

    let (code, text) = cluster.install_as(User::Developer, &[]);
    assert!(code == 1 && text.contains(" failed: ") && text.contains("forbidden"), "{code}: {text}");
    // Nobody is there who makes the kinds of constraints.
    let (code, text) = cluster.install(&["--timeout=1"]);
    assert!(code == 1 && line(&text, NAME).contains("does not serve the kind"), "{code}: {text}");
    let admit = AdmitServer::start(environment, &["--shutdown-delay=0"]);
    let (code, text) = cluster.install(&[]);
    assert!(code == 0, "{text}\n{}", admit.log());
    assert!(
        line(&text, "ConstraintTemplate/").ends_with(" unchanged") && line(&text, NAME).ends_with(" created"),
        "{text}"
    );
    cluster.check_all(&[], 0, " unchanged", "");
    cluster.check_all(&["--dry-run"], 0, " unchanged (dry run)", "");
    assert_eq!(cluster.action(), "warn");

    keeps_what_others_set(&cluster);
    replaces_an_older_version(&cluster, &admit);
}

fn keeps_what_others_set(cluster: &Cluster) {
    cluster.patch(&json!({"enforcementAction": "deny"}));
    let text = cluster.check_all(&[], 0, " unchanged", NAME);
    assert!(line(&text, NAME).ends_with(" unchanged: keeps enforcementAction deny"), "{text}");
    let text = cluster.check_all(&["--enforcement-action=warn"], 1, " unchanged", NAME);
    assert!(line(&text, NAME).contains(" refused: its enforcementAction is deny, which warn would lower"), "{text}");
    assert_eq!(cluster.action(), "deny");
    let text = cluster.check_all(&["--enforcement-action=warn", "--force"], 0, " unchanged", NAME);
    assert!(line(&text, NAME).ends_with(" configured"), "{text}");
    assert_eq!(cluster.action(), "warn");
    // Somebody has taken it back for a reason.
    cluster.patch(&json!({"enforcementAction": "dryrun"}));
    let text = cluster.check_all(&[], 1, " unchanged", NAME);
    let refused = line(&text, NAME);
    assert!(refused.contains(" refused: ") && refused.contains("conflict with \"kubectl-patch\""), "{text}");
    assert!(refused.contains(".spec.enforcementAction"), "{text}");
    cluster.check_all(&["--force"], 0, " unchanged", NAME);
    assert_eq!(cluster.action(), "warn");

    cluster.patch(&json!({"parameters": {PARAMETER: ["theirs"]}}));
    let text = cluster.check_all(&["--dry-run"], 1, " unchanged (dry run)", NAME);
    assert!(line(&text, NAME).contains(&format!(".spec.parameters.{PARAMETER}")), "{text}");
    cluster.check_all(&[], 1, " unchanged", NAME);
    assert_eq!(cluster.constraint()["spec"]["parameters"][PARAMETER], json!(["theirs"]));
    let text = cluster.check_all(&["--force"], 0, " unchanged", NAME);
    assert!(line(&text, NAME).ends_with(" configured"), "{text}");
    cluster.check_all(&[], 0, " unchanged", "");
}

/// The older one did not have the parameter: the constraint can be applied only once the kind has followed the template.
fn replaces_an_older_version(cluster: &Cluster, admit: &AdmitServer) {
    let environment = cluster.0;
    environment.kubectl(&["delete", RESOURCE, NAME]).checked();
    let get = environment.kubectl(&["get", "constrainttemplate", RESOURCE, "-o", "json"]).checked();
    let mut template: Value = serde_json::from_str(&get.stdout).unwrap();
    template["metadata"] = json!({"name": RESOURCE});
    template.as_object_mut().unwrap().remove("status");
    template["spec"]["crd"]["spec"]["validation"]["openAPIV3Schema"] = json!({"type": "object"});
    let arguments = ["apply", "--server-side", "--force-conflicts", "--field-manager=admit", "-f", "-"];
    environment.kubectl_as(User::Admin, &arguments, Some(&template.to_string())).checked();
    let crd = format!("crd/{RESOURCE}.constraints.gatekeeper.sh");
    let of_parameter = format!("\"{PARAMETER}\":");
    let has_parameter = || environment.kubectl(&["get", &crd, "-o", "json"]).checked().stdout.contains(&of_parameter);
    assert!(wait_until(LATER, || !has_parameter()), "{}", admit.log());

    let (code, text) = cluster.install(&["--dry-run"]);
    assert!(code == 0 && line(&text, NAME).contains(" not checked (dry run)"), "{code}: {text}");
    assert!(line(&text, &format!("ConstraintTemplate/{RESOURCE}")).contains(" configured (dry run)"), "{text}");
    let (code, text) = cluster.install(&[]);
    assert!(code == 0 && line(&text, NAME).ends_with(" created"), "{code}: {text}\n{}", admit.log());
    assert!(line(&text, &format!("ConstraintTemplate/{RESOURCE}")).ends_with(" configured"), "{text}");
    cluster.check_all(&[], 0, " unchanged", "");
    assert!(!cluster.constraint()["spec"]["parameters"][PARAMETER].is_null());
}
