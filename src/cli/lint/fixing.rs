//! `admit lint --fix`: what mends findings, written into the files.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::cli::files::write_back;
use crate::cli::print;
use crate::workbench::lint::Report;
use crate::workbench::lint::fix::{FixedText, texts};

/// The flags.
#[derive(Debug, Args)]
pub(super) struct FixArguments {
    /// Files or directories of mutators whose changes become fixes, and that are not in force otherwise. May be given several
    /// times
    #[arg(long, value_name = "PATH")]
    pub(super) mutators: Vec<PathBuf>,
    /// Write the fixes that mutators make into the files
    #[arg(long)]
    fix: bool,
    /// Write fixes that policies leave no choice about, too
    #[arg(long)]
    fix_values: bool,
    /// Print what would be written, as a patch, instead of the report; nothing is written
    #[arg(long)]
    diff: bool,
    /// Say what would be written; nothing is
    #[arg(long, conflicts_with = "diff")]
    dry_run: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixed {
    /// Whether the report is to be printed.
    pub(super) shows_report: bool,
    /// Whether a file could not be written.
    pub(super) has_failed: bool,
}

impl FixArguments {
    /// Does it, and takes what is mended out of the report.
    pub(super) fn apply(&self, report: &mut Report) -> Result<Fixed> {
        let mut fixed = Fixed { shows_report: !self.diff, has_failed: false };
        if !(self.fix || self.fix_values || self.diff || self.dry_run) {
            return Ok(fixed);
        }
        // Without a word about which, a patch has all there are.
        let takes_values = self.fix_values || !self.fix;
        let (texts, unfixable) = texts(report, takes_values);
        for one in &unfixable {
            anstream::eprintln!("warning: {} is left alone: {}", one.file, one.reason);
        }
        if self.diff {
            print(&texts.iter().map(FixedText::diff).collect::<String>())?;
            return Ok(fixed);
        }
        for text in &texts {
            let (name, count) = (text.source.name(), counted(text.findings));
            for note in &text.edited.anew {
                anstream::eprintln!("note: {}: {} loses its comments: {}", note.location, note.path, note.reason);
            }
            if self.dry_run {
                anstream::eprintln!("would fix {count} in {name}");
                continue;
            }
            match write_back(&text.source, &text.edited.text) {
                Ok(()) => {
                    anstream::eprintln!("fixed {count} in {name}");
                    let before = report.findings.len();
                    report.findings.retain(|one| one.fix.as_ref().is_none_or(|fix| !text.has(fix)));
                    report.left_out.fixed += before - report.findings.len();
                }
                Err(message) => {
                    anstream::eprintln!("error: {message}");
                    fixed.has_failed = true;
                }
            }
        }
        self.tell_of_others(report, takes_values);
        Ok(fixed)
    }

    fn tell_of_others(&self, report: &Report, takes_values: bool) {
        let left = report.findings.iter().filter_map(|one| one.fix.as_ref()).filter(|fix| fix.by.mutators().is_empty());
        let left = left.count();
        if !takes_values && left > 0 {
            anstream::eprintln!("note: {} more can be fixed with --fix-values", counted(left));
        }
    }
}

fn counted(findings: usize) -> String {
    if findings == 1 { "1 finding".to_owned() } else { format!("{findings} findings") }
}
