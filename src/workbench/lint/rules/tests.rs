//! Each rule on a policy that it finds, and on one that it leaves alone.

use super::{Finding, check};
use crate::policy::engine::BuiltinAccess;
use crate::workbench::bundle::read_texts;

/// Codes and messages, in order.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let (objects, problems) = read_texts(files);
    assert_eq!(problems, []);
    let findings = check(&[], &objects.iter().collect::<Vec<_>>(), BuiltinAccess::default());
    let shown = |one: &Finding| {
        let advice = one.advice.as_ref().map(|advice| format!("; {advice}")).unwrap_or_default();
        format!("{} {}{advice}", one.rule.id, one.message)
    };
    findings.iter().map(shown).collect()
}

/// That the first text is found by the rule, in these words, and the second not.
#[track_caller]
fn rule(code: &str, fires: &str, words: &str, silent: &str) {
    let fired = found(&[("fires.yaml", fires)]);
    assert!(fired.iter().any(|one| one.starts_with(code) && one.contains(words)), "{code} {words}: {fired:#?}");
    let rest = found(&[("silent.yaml", silent)]);
    assert!(!rest.iter().any(|one| one.starts_with(code)), "{rest:#?}");
}

fn template_with(schema: &str, annotations: &str, rego: &str) -> String {
    let rego = rego.lines().map(|line| format!("      {line}\n")).collect::<String>();
    format!(
        "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata:\n  name: demo\n  annotations: \
         {{{annotations}}}\nspec:\n  crd: {{spec: {{names: {{kind: Demo}}, validation: {{openAPIV3Schema: {{type: object, \
         properties: {{{schema}}}}}}}}}}}\n  targets:\n  - target: admission.k8s.gatekeeper.sh\n    rego: |\n      package \
         demo\n{rego}"
    )
}

fn template(condition: &str) -> String {
    template_with(
        "a: {type: string}, m: {type: integer}, l: {type: array, items: {type: string}}",
        "",
        &violation(condition),
    )
}

fn violation(condition: &str) -> String {
    format!("violation[{{\"msg\": \"no\"}}] {{\n  {condition}\n}}")
}

fn constraint(name: &str, spec: &str) -> String {
    format!(
        "\n---\napiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Demo\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    )
}

const PODS: &str = "match: {kinds: [{apiGroups: [\"\"], kinds: [Pod]}]}";

fn on_pods(condition: &str) -> String {
    template(condition) + &constraint("one", PODS)
}

#[test]
fn input() {
    let good = template("input.review.object.spec.hostNetwork; input.parameters.a == \"x\"");
    rule("AP001", &template("input.object.spec.hostNetwork"), "did you mean input.review.object?", &good);
    rule("AP001", &template("input.constraint.spec"), "did you mean input.parameters?", &good);
    rule("AP001", &template("input.review.operations == \"x\""), "did you mean operation?", &good);
    let through = "object.get(object.get(input, \"review\", {}), \"objekt\", {}).spec.x";
    rule("AP001", &template(through), "did you mean object?", &good);
}

#[test]
fn fields() {
    let good =
        on_pods("input.review.object.spec.containers[_].image == \"x\"; input.review.object.metadata.labels.any");
    let bad = on_pods("input.review.object.spec.container[_].image == \"x\"");
    rule("AP002", &bad, "spec.container is no field of Pod, so this is never defined; did you mean containers?", &good);
    rule("AP002", &on_pods("input.review.object.spec.containers.image"), "spec.containers is a value without", &good);
    let bound = on_pods("c := input.review.object.spec.containers[_]\n  c.securityContext.privilegd");
    rule("AP002", &bound, "did you mean privileged?", &good);
    let helper =
        violation("f(input.review.object.spec)") + "\nf(s) { some c\n  s.containers[c].imagePullPolice == \"x\" }";
    let helper = template_with("", "", &helper) + &constraint("one", PODS);
    rule("AP002", &helper, "did you mean imagePullPolicy?", &good);
    let custom = template("input.review.object.spec.gatewayClas")
        + &constraint("one", "match: {kinds: [{apiGroups: [x.io], kinds: [X]}]}");
    rule("AP002", &bad, "container", &custom);
    let other = on_pods("input.review.object.spec.template.spec.hostNetwork");
    rule("AP002", &bad, "container", &other);
    let inventory =
        template("data.inventory.namespace[_][\"v1\"][\"Service\"][_].spec.selektor[_] == input.parameters.a");
    rule("AP002", &inventory, "did you mean selector?", &good);
}

#[test]
fn parameters() {
    let good = template("input.parameters.a; input.parameters.m > 3; input.parameters.l[_] == input.review.name");
    rule("AP003", &template("input.parameters.b"), "parameter b is not in the template's schema", &good);
    let open = template_with(
        "o: {type: object, x-kubernetes-preserve-unknown-fields: true}",
        "",
        &violation("input.parameters.o.p"),
    );
    rule("AP003", &template("input.parameters.all"), "not in the template's schema", &open);
    rule("AP004", &template("input.parameters.a == input.review.name"), "never reads parameter m", &good);
    rule(
        "AP004",
        &template("input.parameters.a"),
        "never reads parameter l",
        &template("walk(input.parameters, [p, v])"),
    );
    let with = |spec: &str| template("input.parameters.a") + &constraint("one", spec);
    rule("AP005", &with("parameters: {aa: x}"), "spec.parameters.aa is not in the schema", &with("parameters: {a: x}"));
    rule("AP005", &with("match: {kind: []}"), "spec.match.kind is not", &with("match: {kinds: []}"));
}

#[test]
fn matches() {
    let with = |spec: &str| constraint("one", &format!("match: {{{spec}}}"));
    let kinds = |groups: &str, kinds: &str| with(&format!("kinds: [{{apiGroups: [{groups}], kinds: [{kinds}]}}]"));
    let good = kinds("\"\"", "Pod") + &kinds("apps", "Deployment") + &kinds("\"*\"", "\"*\"") + &kinds("x.io", "Pods");
    rule(
        "AP006",
        &kinds("apps", "Pod"),
        "no kind Pod in group apps, so this matches nothing; Pod is in the core",
        &good,
    );
    rule("AP006", &kinds("\"\"", "pods"), "did you mean Pod in the core group", &good);
    rule("AP006", &kinds("apps", "Deploymnt"), "did you mean Deployment?", &good);
    rule("AP006", &kinds("\"*\"", "deployments"), "did you mean Deployment?", &kinds("\"*\"", "VirtualService"));
    let good = good + &with("namespaces: [a, b-*], excludedNamespaces: [c], labelSelector: {matchLabels: {a: b}}");
    rule("AP007", &with("namespaces: [a], excludedNamespaces: [\"a*\"]"), "excluded again by a*", &good);
    rule("AP007", &with("namespaces: [\"a*b\"]"), "a * counts at the beginning", &good);
    let labels = "labelSelector: {matchLabels: {a: b}, matchExpressions: [{key: a, operator: NotIn, values: [b]}]}";
    rule("AP007", &with(labels), "label a contradict", &good);
    let nodes = "kinds: [{apiGroups: [\"\"], kinds: [Node]}]";
    rule("AP007", &with(&format!("{nodes}, namespaces: [a]")), "namespaces has no effect", &good);
    rule("AP007", &with(&format!("{nodes}, scope: Namespaced")), "scope Namespaced matches nothing", &good);
    rule("AP007", &kinds("\"*\"", "\"*\", Pod"), "no effect beside", &good);
}

#[test]
fn inventory() {
    let read = "data.inventory.namespace[_][\"v1\"][\"Service\"][_].spec.selector == input.review.object.spec.selector";
    let said = |text: &str, condition: &str| {
        let annotation = format!("metadata.gatekeeper.sh/requires-sync-data: '{text}'");
        template_with("", &annotation, &violation(condition))
    };
    let good = said(r#"[[{"groups": [""], "versions": ["v1"], "kinds": ["Service"]}]]"#, read);
    let ingresses = r#"[[{"groups": ["networking.k8s.io"], "versions": ["v1"], "kinds": ["Ingress"]}]]"#;
    rule("AP008", &said(ingresses, read), "does not name v1 Service", &good);
    rule("AP008", &said(ingresses, read), "asks for networking.k8s.io/v1/Ingress, which the code never", &good);
    rule("AP008", &template(read), "has no annotation", &good);
    let synced = |kind: &str| {
        format!(
            "{good}\n---\napiVersion: syncset.gatekeeper.sh/v1alpha1\nkind: SyncSet\nmetadata: {{name: a}}\nspec: {{gvks: \
             [{{group: \"\", version: v1, kind: {kind}}}]}}"
        )
    };
    rule("AP008", &synced("Pod"), "no Config or SyncSet among the inputs syncs v1 Service", &synced("Service"));
    let at = |path: &str| template(&format!("data.inventory.{path}.metadata.name == input.review.name"));
    let good = at("namespace[_][\"apps/v1\"].Deployment[_]") + "\n---\n" + &at("cluster.v1.Node[_]");
    rule("AP009", &at("namespace[_].apps.Deployment[_]"), "apps", &good);
    rule("AP009", &at("cluster.v1.Service[_]"), "Service is in namespaces", &good);
    rule("AP009", &at("namespaces[_].v1.Service[_]"), "did you mean namespace?", &good);
    rule("AP009", &at("namespace[_].v1.services[_]"), "did you mean v1 Service?", &good);
}

#[test]
fn kinds_that_are_not_read() {
    let reads = "c := input.review.object.spec.containers[_]\n  c.securityContext.privileged";
    let with = |kinds: &str| template(reads) + &constraint("one", &format!("match: {{kinds: [{kinds}]}}"));
    let pods = "{apiGroups: [\"\"], kinds: [Pod]}";
    let both = with(&format!("{pods}, {{apiGroups: [apps], kinds: [Deployment]}}"));
    rule("AP010", &both, "Deployment has none of the fields that Demo reads, such as spec.containers", &with(pods));
    let labels = template("not input.review.object.metadata.labels.a; input.review.object.spec.nodeName");
    rule(
        "AP010",
        &both,
        "Deployment",
        &(labels + &constraint("one", "match: {kinds: [{apiGroups: [apps], kinds: [Deployment]}]}")),
    );
}

#[test]
fn containers_that_are_forgotten() {
    let all = "k := {\"containers\", \"initContainers\", \"ephemeralContainers\"}[_]\n  input.review.object.spec[k][_].image == \"x\"";
    let some = "input.review.object.spec.containers[_].image == \"x\"";
    rule("AP011", &template(some), "not at initContainers and ephemeralContainers", &template(all));
    let resources =
        "l := [\"containers\", \"initContainers\"]\n  not input.review.object.spec[l[_]][_].resources.limits";
    rule("AP011", &template(some), "initContainers", &template(resources));
    let probes = template("not input.review.object.spec.containers[_].readinessProbe");
    rule("AP011", &template(some), "initContainers", &probes);
    let said = template(&format!("# init containers and ephemeral ones are judged elsewhere\n  {some}"));
    rule("AP011", &template(some), "initContainers", &said);
}

#[test]
fn image_names() {
    let code = "c := input.review.object.spec.containers[_]\n  startswith(c.image, input.parameters.l[_])";
    let with = |repo: &str| template(code) + &constraint("one", &format!("parameters: {{l: [\"{repo}\"]}}"));
    rule("AP012", &with("a.io/b"), "may be \"a.io/bx\", too; let it end with /", &with("a.io/b/"));
    let constant = |call: &str| template(&format!("c := input.review.object.spec.containers[_]\n  {call}"));
    rule("AP012", &constant("startswith(c.image, \"a.io\")"), "a.io/", &constant("startswith(c.image, \"a.io/\")"));
    rule("AP012", &constant("endswith(c.image, \"latest\")"), "/latest", &constant("endswith(c.image, \":latest\")"));
    let checked = "c := input.review.object.spec.containers[_]\n  r := input.parameters.l[_]\n  endswith(r, \"/\")\n  startswith(c.image, r)";
    rule("AP012", &with("a.io/b"), "", &(template(checked) + &constraint("one", "parameters: {l: [a.io/b]}")));
}

#[test]
fn constraints() {
    let pods = constraint("one", PODS);
    rule("AP013", &constraint("one", ""), "every kind in every namespace", &pods);
    rule("AP013", &constraint("one", "enforcementAction: deny"), "", &constraint("one", "enforcementAction: warn"));
    let config = "\n---\napiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {name: config}\nspec: {match: \
                  [{excludedNamespaces: [\"kube-*\"], processes: [\"*\"]}]}";
    rule("AP013", &constraint("one", ""), "", &(constraint("one", "") + config));
    let other = pods.replace("kind: Demo", "kind: Other");
    rule(
        "AP014",
        &(template("input.review.name") + &other),
        "no constraint of kind Demo",
        &on_pods("input.review.name"),
    );
    let twice = constraint("one", PODS) + &constraint("two", PODS);
    rule(
        "AP015",
        &twice,
        "the same as constraint one",
        &(constraint("one", PODS) + &constraint("two", "match: {scope: Cluster}")),
    );
    let two = template("input.review.name") + "\n---\n" + &template("input.review.uid");
    rule("AP015", &two, "kind Demo is made by another template", &template("input.review.name"));
    rule("AP023", &constraint("one", "enforcementAction: \"deny \""), "did you mean deny?", &pods);
    let scoped =
        |list: &str| constraint("one", &format!("enforcementAction: scoped, scopedEnforcementActions: {list}"));
    let good = scoped("[{action: deny, enforcementPoints: [{name: \"*\"}]}]");
    rule("AP023", &scoped("[]"), "is empty, so the constraint is enforced nowhere", &good);
    rule("AP023", &scoped("[{action: deny}]"), "no enforcementPoints", &good);
    let ignored = constraint("one", "scopedEnforcementActions: [{action: deny, enforcementPoints: [{name: \"*\"}]}]");
    rule("AP023", &ignored, "has no effect with enforcementAction deny", &good);
}

#[test]
fn suites() {
    let suite = |test: &str| {
        format!(
            "kind: Suite\napiVersion: test.gatekeeper.sh/v1alpha1\nmetadata: {{name: s}}\ntests: [{{name: t, template: silent.yaml, {test}}}]\n"
        )
    };
    let case = |violations: &str| format!("{{name: c, object: o.yaml, assertions: [{{violations: {violations}}}]}}");
    let good = suite(&format!("cases: [{}, {}]", case("yes"), case("no")));
    rule("AP016", &suite(&format!("cases: [{}]", case("no"))), "expects a violation", &good);
    rule("AP016", &suite("cases: [{name: c, object: o.yaml}]"), "case c has no assertions", &good);
    rule("AP016", &suite("cases: []"), "test t has no cases", &good);
    let tested = good.clone() + "---\n" + &template("input.review.name");
    rule("AP016", &tested, "no suite among the inputs tests template demo", &tested);
    rule("AP017", &suite(&format!("skip: true, cases: [{}]", case("yes"))), "t is skipped", &good);
}

#[test]
fn code() {
    let good = template("input.review.object.spec.hostNetwork");
    rule("AP018", &template("x := 1\n  x > 0"), "fires always or never", &good);
    let helper = |call: &str| template_with("", "", &(violation(call) + "\nf(x) { x.spec.hostNetwork }"));
    rule("AP018", &template("true"), "", &helper("f(input.review.object)"));
    rule(
        "AP019",
        &helper("input.review.object.spec.hostPID"),
        "no violation uses f",
        &helper("f(input.review.object)"),
    );
    let number = template("input.parameters.m == \"3\"");
    rule(
        "AP020",
        &number,
        "m is of type number in the schema and compared with a string",
        &template("input.parameters.m == 3"),
    );
    rule(
        "AP020",
        &template("input.review.operation == \"create\""),
        "did you mean CREATE?",
        &template("input.review.operation == \"CREATE\""),
    );
    rule(
        "AP020",
        &template("input.review.kind.kind == \"pods\""),
        "did you mean Pod?",
        &template("input.review.kind.kind == \"Pod\""),
    );
    let compare = |condition: &str| template(&format!("c := input.review.object.spec.containers[_]\n  {condition}"));
    let parsed = compare("units.parse(c.resources.limits.cpu) > units.parse(input.parameters.a)");
    rule(
        "AP021",
        &compare("c.resources.limits.cpu > input.parameters.a"),
        "resources.limits.cpu is compared as it is",
        &parsed,
    );
    rule(
        "AP021",
        &compare("c.resources.limits.memory == \"1Gi\""),
        "as it is written",
        &compare("c.resources.limits.cpu == \"\""),
    );
    let pattern = |pattern: &str| {
        template("not regex.match(input.parameters.a, input.review.name)")
            + &constraint("one", &format!("parameters: {{a: \"{pattern}\"}}"))
    };
    rule("AP022", &pattern("prod|test"), "matches in the middle", &pattern("^(prod|test)$"));
}

#[test]
fn codes_are_in_order_and_explained() {
    for (position, rule) in super::RULES.iter().enumerate() {
        assert_eq!(rule.code, format!("AP{:03}", position + 1));
        assert!(rule.page.len() > 100 && !rule.summary.ends_with('.'), "{}", rule.code);
        assert!(super::find(rule.name).is_some_and(|found| found.code == rule.code));
    }
}

#[test]
fn our_own_policies_are_clean() {
    let (documents, errors) = crate::manifest::read(&["policies".into()], None);
    assert_eq!(errors, []);
    let (objects, _) = crate::workbench::bundle::read_objects(documents);
    let findings = check(&[], &objects.iter().collect::<Vec<_>>(), BuiltinAccess::default());
    let shown: Vec<String> = findings.iter().map(|one| format!("{} {}", one.place.location, one.message)).collect();
    assert_eq!(shown, Vec::<String>::new());
}

#[test]
fn helpers_that_are_called_with_many_things() {
    let code = "f(c, [\"image\", \"nowhere\"][_])";
    let helper = format!("c := input.review.object.spec.containers[_]\n  {code}");
    let helper = template_with("", "", &(violation(&helper) + "\nf(c, k) { c[k] }")) + &constraint("one", PODS);
    rule("AP002", &helper.replace("\"image\", ", ""), "nowhere is no field of Pod", &helper);
    let helper = "l: {type: array, items: {type: string}}";
    let asks = |condition: &str| template_with(helper, "", &(violation(condition) + "\nf(o, k) { not o[k] == false }"));
    rule("AP020", &asks("input.parameters.l == false"), "of type array", &asks("f(input.parameters, \"l\")"));
}
