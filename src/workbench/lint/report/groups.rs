//! Findings by file, with counts: what several formats start from.

use std::collections::BTreeMap;

use crate::workbench::lint::finding::{Finding, Severity};
use crate::workbench::lint::{Judged, Report};

/// From the worst down, with the words for one of them.
pub(super) const SEVERITIES: [(Severity, &str); 3] =
    [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];

/// What there is of one file.
#[derive(Default)]
pub(super) struct FileGroup<'r> {
    pub(super) findings: Vec<&'r Finding>,
    pub(super) judged: Vec<&'r Judged>,
}

/// Every file of which something was judged or found, by name.
pub(super) fn by_file(report: &Report) -> BTreeMap<&str, FileGroup<'_>> {
    let mut files: BTreeMap<&str, FileGroup<'_>> = BTreeMap::new();
    for judged in &report.judged {
        files.entry(&judged.place.location.file).or_default().judged.push(judged);
    }
    for finding in &report.findings {
        files.entry(&finding.place.location.file).or_default().findings.push(finding);
    }
    files
}

impl FileGroup<'_> {
    pub(super) fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// `2 errors, 1 note`
    pub(super) fn counts(&self) -> String {
        let counts = SEVERITIES.iter().map(|(severity, word)| (self.count(*severity), word));
        let counts = counts.filter(|(count, _)| *count > 0).map(|(count, word)| counted(count, word));
        counts.collect::<Vec<_>>().join(", ")
    }
}

/// `1 error`, `2 errors`
pub(super) fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// `K8sRequiredLabels/must-have-owner`; the kind alone for rules of lint's own.
pub(super) fn rule_name(finding: &Finding) -> String {
    let rule = &finding.rule;
    if rule.constraint.is_empty() { rule.id.clone() } else { format!("{}/{}", rule.id, rule.constraint) }
}
