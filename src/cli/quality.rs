//! The flags of `admit verify` that are about the tests themselves: coverage and mutants.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::policy::engine::RegoEngine;
use crate::policy::snapshot::BuildOptions;
use crate::workbench::suite::coverage::{TemplateCoverage, summarize};
use crate::workbench::suite::mutants::TemplateMutants;
use crate::workbench::suite::report::{self, Quality};
use crate::workbench::suite::{Filter, SuiteOutcome, Suites};

/// How good the tests are.
#[derive(Clone, Debug, Args)]
pub(super) struct QualityArguments {
    /// Tell which lines and rules of the templates the cases evaluate
    #[arg(long)]
    coverage: bool,
    /// Write the coverage to a file, too: `lcov=FILE`
    #[arg(long, value_name = "FORMAT=FILE", value_parser = coverage_output)]
    coverage_output: Option<PathBuf>,
    /// Fail when fewer lines of a template are covered, in percent
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_coverage: Option<f64>,
    /// Change the templates a little, in many ways, and tell which changes no test notices
    #[arg(long)]
    mutants: bool,
    /// Try at most so many changes of a template, evenly chosen
    #[arg(long, value_name = "NUMBER", default_value_t = 300)]
    max_mutants: usize,
    /// Fail when fewer changes of a template are noticed, in percent
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_mutation_score: Option<f64>,
}

/// What was found out.
#[derive(Debug, Default)]
pub(super) struct Found {
    coverage: Option<Vec<TemplateCoverage>>,
    mutants: Option<Vec<TemplateMutants>>,
}

impl QualityArguments {
    fn wants_coverage(&self) -> bool {
        self.coverage || self.coverage_output.is_some() || self.min_coverage.is_some()
    }

    fn wants_mutants(&self) -> bool {
        self.mutants || self.min_mutation_score.is_some()
    }

    /// Adds to how policies are built.
    pub(super) fn apply(&self, mut options: BuildOptions) -> Result<BuildOptions> {
        if self.wants_coverage() && options.compile.engine == RegoEngine::Regorus {
            anyhow::bail!("--coverage works with admit's own evaluator only; leave out `--rego-engine regorus`");
        }
        options.compile.is_covered = self.wants_coverage();
        Ok(options)
    }

    /// What there is to find out after the suites have run.
    pub(super) fn find(
        &self,
        suites: &Suites,
        filter: &Filter,
        options: BuildOptions,
        outcomes: &[SuiteOutcome],
    ) -> Result<Found> {
        let coverage = self.wants_coverage().then(|| summarize(outcomes));
        if let (Some(path), Some(coverage)) = (&self.coverage_output, &coverage) {
            std::fs::write(path, report::render_lcov(coverage))
                .with_context(|| format!("writing the coverage to {}", path.display()))?;
        }
        let has_failed = outcomes.iter().any(SuiteOutcome::has_failed);
        if self.wants_mutants() && has_failed {
            anstream::eprintln!("warning: changes were not tried: tests that fail already cannot notice them");
        }
        let mutants = (self.wants_mutants() && !has_failed).then(|| {
            let mut plain = options;
            (plain.compile.is_covered, plain.compile.is_traced, plain.compile.keeps_prints) = (false, false, false);
            suites.mutate(filter, plain, self.max_mutants)
        });
        Ok(Found { coverage, mutants })
    }

    /// Says which templates are below what was asked for; whether there is one.
    pub(super) fn has_failed(&self, found: &Found) -> bool {
        let coverage = found.coverage.iter().flatten().map(|one| (&one.file, one.line_percent()));
        let scores = found.mutants.iter().flatten().map(|one| (&one.file, one.score()));
        let uncovered = complain(coverage, self.min_coverage, "% of the lines are covered");
        let unnoticed = complain(scores, self.min_mutation_score, "% of the changes are noticed");
        uncovered || unnoticed
    }
}

impl Found {
    pub(super) fn quality(&self) -> Quality<'_> {
        Quality { coverage: self.coverage.as_deref(), mutants: self.mutants.as_deref() }
    }
}

fn complain<'f>(found: impl Iterator<Item = (&'f String, f64)>, least: Option<f64>, what: &str) -> bool {
    let Some(least) = least else { return false };
    let mut is_below = false;
    for (file, percent) in found.filter(|(_, percent)| *percent < least) {
        is_below = true;
        anstream::eprintln!("error: {file}: {percent:.1}{what}, expected at least {least}%");
    }
    is_below
}

fn coverage_output(text: &str) -> Result<PathBuf, String> {
    match text.split_once('=') {
        Some(("lcov", path)) if !path.is_empty() => Ok(PathBuf::from(path)),
        Some(("lcov", _)) => Err("expected a file, for example `lcov=coverage.info`".to_owned()),
        Some((format, _)) => Err(format!("unknown format {format:?}; expected `lcov=FILE`")),
        None => Err("expected a format and a file, for example `lcov=coverage.info`".to_owned()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.strip_suffix('%').unwrap_or(text).parse().ok();
    number.filter(|number| (0.0..=100.0).contains(number)).ok_or_else(|| "expected a number from 0 to 100".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_percent_and_formats() {
        assert_eq!((percent("80"), percent("99.5%")), (Ok(80.0), Ok(99.5)));
        assert!(percent("101").is_err() && percent("-1").is_err() && percent("NaN").is_err());
        assert_eq!(coverage_output("lcov=a=b.info"), Ok(PathBuf::from("a=b.info")));
        for text in ["lcov=", "lcov", "html=x"] {
            assert!(coverage_output(text).is_err(), "{text}");
        }
    }
}
