//! AP024: a key that stands twice in one mapping, in whatever kind of manifest.

use super::{Findings, PolicyRule};
use crate::workbench::lint::finding::Severity;
use crate::workbench::lint::policies::Policies;

pub(super) const RULE: PolicyRule = PolicyRule {
    code: "AP024",
    name: "repeated-key",
    severity: Severity::Warning,
    summary: "A key stands twice in one mapping, so one of its values is lost",
    page: "\
    spec:
      replicas: 3
      serviceName: web
      replicas: 1          # this one counts

`kubectl` and Helm turn YAML into JSON before they send it, keep the last value and say nothing of the other. Kustomize \
refuses such a file, and so does the API server when it is sent as it is and validation is strict; otherwise it warns. The \
policies judge what `kubectl` would send, so what stands first is judged by nobody. Remove one of the two, or put what \
they have together. Several objects in one file are kept apart by a line with `---`: without it, the second object's keys \
repeat those of the first.",
    check,
};

fn check(policies: &Policies<'_>, findings: &mut Findings<'_>) {
    for bundled in &policies.objects {
        for key in bundled.document.repeated_keys() {
            let (path, line) = (&key.path, key.first.line);
            let message = format!("{path} stands twice: the value here counts, that of line {line} is lost");
            findings.repeated(bundled, &key, format!("{message}\nremove one of the two, or put them together"));
        }
    }
}
