//! Which findings `admit lint` is asked for: those that a baseline does not know, those in lines that changed.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::files::write_whole;
use crate::cli::git::Changed;
use crate::workbench::lint::Report;
use crate::workbench::lint::baseline::Baseline;
use crate::workbench::lint::changes::{self, ChangedPolicies};
use crate::workbench::lint::report::Places;

/// The flags.
#[derive(Debug, Args)]
pub(super) struct ScopeArguments {
    /// Leave out findings that are in this file
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write all findings into this file, and leave them out from now on
    #[arg(long, value_name = "FILE", conflicts_with_all = ["baseline", "since"])]
    write_baseline: Option<PathBuf>,
    /// Only findings in lines that changed since this revision of git, and all of policies that changed since; everything is
    /// judged all the same
    #[arg(long, value_name = "REV")]
    since: Option<String>,
}

/// The flags with everything read that they name.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    baseline: Option<Baseline>,
    write_baseline: Option<&'a Path>,
    changed: Option<Changed>,
    since: &'a str,
}

impl ScopeArguments {
    /// Reads the baseline and asks git. The error is for people.
    pub(super) fn read(&self) -> Result<Scope<'_>, String> {
        let baseline = self.baseline.as_deref().map(read_baseline).transpose()?;
        let changed = self.since.as_deref().map(Changed::since).transpose()?;
        let since = self.since.as_deref().unwrap_or_default();
        Ok(Scope { baseline, write_baseline: self.write_baseline.as_deref(), changed, since })
    }

    /// Whether fields have to be looked for, because a file tells findings apart by them.
    pub(super) fn needs_fields(&self) -> bool {
        self.write_baseline.is_some()
    }
}

impl Scope<'_> {
    /// Leaves out of the report what is not asked for, and writes a baseline when one is wanted.
    pub(super) fn apply(self, report: &mut Report, root: Option<&Path>, places: &Places) -> Result<(), String> {
        // Entries have their files from the root; those of older baselines, as they were given.
        let is_gone = |file: &str| !Path::new(file).exists() && root.is_none_or(|root| !root.join(file).exists());
        if let Some(path) = self.write_baseline {
            if !report.problems.is_empty() {
                let path = path.display();
                return Err(format!(
                    "{path} is not written, because not everything could be judged; mend the above first"
                ));
            }
            let baseline = Baseline::of(report, places);
            write_whole(path, &baseline.render())
                .map_err(|error| format!("failed to write {}: {error}", path.display()))?;
            baseline.apply(report, places, &is_gone);
        }
        if let Some(baseline) = self.baseline {
            baseline.apply(report, places, &is_gone);
        }
        if let Some(changed) = self.changed {
            let policies = ChangedPolicies::of(report, &|file| changed.of_policy(file));
            if let Some(names) = policies.names() {
                let since = self.since;
                anstream::eprintln!(
                    "note: changed since {since}: {names}; what they find in unchanged lines is told, too"
                );
            }
            changes::apply(report, &policies, &|file| changed.of_file(file));
        }
        Ok(())
    }
}

fn read_baseline(path: &Path) -> Result<Baseline, String> {
    const HELP: &str = "  help: `admit lint … --write-baseline FILE` writes one";
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("failed to read {shown}: {error}\n{HELP}"))?;
    Baseline::parse(&text).map_err(|error| format!("{shown}:{error}\n{HELP}"))
}
