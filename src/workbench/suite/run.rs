//! Running one suite: its tests side by side, the cases of a test one after another.

use std::time::Instant;

use rayon::prelude::*;

use super::coverage::Covered;
use super::definition::{Case, Suite, Test};
use super::filter::Filter;
use super::mutation;
use super::outcome::{CaseOutcome, Failure, Status, SuiteOutcome, TestOutcome};
use super::policy::{Policy, check_invalid, tested_template};
use super::subject;
use crate::policy::engine::{Coverage, Notes};
use crate::policy::evaluate::{EvalContext, validate_noting};
use crate::policy::snapshot::BuildOptions;

/// Runs a suite.
pub(super) fn run(suite: &Suite, filter: &Filter, options: BuildOptions) -> SuiteOutcome {
    let tests = if suite.skip { &[] } else { suite.tests.as_slice() };
    let mutations = if suite.skip { &[] } else { suite.mutations.as_slice() };
    let mut outcomes: Vec<TestOutcome> = tests.par_iter().map(|test| run_test(test, filter, options)).collect();
    outcomes.par_extend(mutations.par_iter().map(|test| mutation::run(test, filter, options)));
    SuiteOutcome { path: suite.path.clone(), tests: outcomes, is_skipped: suite.skip }
}

fn run_test(test: &Test, filter: &Filter, options: BuildOptions) -> TestOutcome {
    let started = Instant::now();
    let (mut cases, mut covered) = (Vec::new(), None);
    let is_included = filter.includes_test(&test.name, test.cases.iter().map(|case| case.name.as_str()));
    let status = if test.skip || !is_included {
        Status::Skipped
    } else if test.invalid {
        let template = options.compile.is_covered.then(|| tested_template(test, options)).flatten();
        covered = template.map(|(document, template)| Covered::nothing_of(document, template));
        // Its cases are not run: there is no constraint to run them with.
        Status::from(check_invalid(test, options))
    } else {
        match Policy::load(test, options) {
            Ok(policy) => {
                let run = |case: &Case| {
                    let is_included = filter.includes_case(&test.name, &case.name);
                    let outcome = run_case(&policy, case, is_included, options.compile.is_covered);
                    CaseOutcome { trace: outcome.trace.filter(|_| options.compile.is_traced), ..outcome }
                };
                cases = test.cases.iter().map(run).collect();
                covered = Covered::by(&policy, &cases);
                Status::Passed
            }
            Err(failure) => Status::Failed(failure),
        }
    };
    TestOutcome { name: test.name.clone(), status, cases, covered, duration: started.elapsed() }
}

fn run_case(policy: &Policy, case: &Case, is_included: bool, is_covered: bool) -> CaseOutcome {
    let started = Instant::now();
    let mut messages = Vec::new();
    let mut notes = if is_covered { Notes::covering(Coverage::default()) } else { Notes::default() };
    let is_skipped = case.skip || !is_included;
    let status = match is_skipped {
        true => Status::Skipped,
        false => Status::from(try_case(policy, case, &mut messages, &mut notes)),
    };
    let trace = (!is_skipped).then(|| notes.trace());
    let (prints, coverage) = (notes.printed(), notes.into_coverage());
    CaseOutcome { name: case.name.clone(), status, messages, prints, trace, coverage, duration: started.elapsed() }
}

/// Every violation counts, whatever its enforcement action.
fn try_case(policy: &Policy, case: &Case, messages: &mut Vec<String>, notes: &mut Notes) -> Result<(), Failure> {
    let help = "name the file of the object to judge: `object: pod.yaml`";
    let file = subject::required(case.object.as_ref(), &case.place, "invalid Case: must define object", help)?;
    if case.assertions.is_empty() {
        let help = "say what is expected, for example `assertions: [{violations: no}]`";
        return Err(case.place.problem_with_help("invalid Case: assertions must be non-empty", help).into());
    }
    let snapshot = policy.with_inventory(&subject::inventory(case)?);
    let subject::Subject { review, expands } = subject::read(file, &snapshot)?;
    let context = EvalContext { expands, ..EvalContext::offline() };
    let evaluation = validate_noting(&snapshot, &review, context, Some(notes))
        .map_err(|failure| file.place.problem(failure.to_string()))?;
    messages.extend(evaluation.violations.into_iter().map(|violation| violation.message));
    case.assertions.iter().try_for_each(|assertion| assertion.check(messages))
}

impl From<Result<(), Failure>> for Status {
    fn from(result: Result<(), Failure>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Passed)
    }
}
