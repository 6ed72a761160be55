//! The rows of `matching/rows.yaml`, each judged in three ways: by the webhook over TLS, by the review that an audit makes,
//! and by the command line on files. All constraints are there at once, so every object also meets the constraints of
//! all other rows: on those the three must agree.

mod row;
mod ways;

use std::collections::BTreeMap;

use admit::model::review::AdmissionReview;
use admit::policy::matching::{matches, mismatches};
use row::{Expected, Table, Way};
use ways::{Answer, Ways};

/// A constraint's name is its row's number; see [`Table::load`].
#[test]
fn every_row_has_the_same_result_in_all_three_ways() {
    let table = Table::load();
    assert!(table.rows.len() >= 200, "{} rows", table.rows.len());
    let ways = Ways::judge(&table);
    let mut failures = Vec::new();
    for row in &table.rows {
        for (way, expected) in &row.expected {
            if let Some(problem) = ways.check(row, *way, expected) {
                failures.push(format!("{} ({}), {way:?}: {problem}", row.name, row.constraint));
            }
        }
    }
    let pairs = compare_ways(&table, &ways, &mut failures);
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(pairs > 5_000, "{pairs}");
}

/// What is told about a mismatch and what is decided are one: on every object, for the constraints of all rows.
#[test]
fn reasons_agree_with_verdicts() {
    let table = Table::load();
    let (snapshot, _) = ways::snapshot(&table);
    let (mut pairs, mut by_criterion) = (0, BTreeMap::<&str, usize>::new());
    for subject in &table.subjects {
        // What the API server would not let through has no verdict.
        let Ok(request) = AdmissionReview::parse(subject.review().to_string().as_bytes()) else { continue };
        let mut review = request.review;
        for namespace in [None, snapshot.namespace(&review.namespace).cloned()] {
            review.namespace_object = namespace;
            for one in snapshot.constraints() {
                let criteria = &one.constraint.criteria;
                let (verdict, reasons) = (matches(criteria, &review), mismatches(criteria, &review));
                let agrees = match (&verdict, &reasons) {
                    (Ok(matches), Ok(reasons)) => *matches == reasons.is_empty(),
                    (Err(one), Err(other)) => one == other,
                    _ => false,
                };
                assert!(agrees, "{}: {verdict:?} but {reasons:?}", one.constraint.name());
                for reason in reasons.unwrap_or_default() {
                    let is_whole = !reason.reason.contains("  ") && !reason.reason.ends_with(' ');
                    assert!(!reason.reason.is_empty() && is_whole, "{reason:?}");
                    *by_criterion.entry(reason.criterion.as_str()).or_default() += 1;
                }
                pairs += 1;
            }
        }
    }
    assert!(table.rows.len() >= 318 && pairs > 20_000 && by_criterion.len() == 8, "{pairs} {by_criterion:?}");
}

/// Constraints that do the same everywhere, on all objects that all three ways can judge.
fn compare_ways(table: &Table, ways: &Ways, failures: &mut Vec<String>) -> usize {
    let is_everywhere = |expected: &Expected| matches!(expected, Expected::Outcome(_));
    let mut pairs = 0;
    for (number, subject) in table.subjects.iter().enumerate().filter(|(_, subject)| subject.operation.is_none()) {
        let answers = [Way::Webhook, Way::Audit, Way::Cli].map(|way| ways.answer(way, number));
        let [Some(Answer::Judged(webhook)), Some(Answer::Judged(audit)), Some(Answer::Judged(cli))] = answers else {
            continue;
        };
        for row in table.rows.iter().filter(|row| row.is_plain && row.expected.values().all(is_everywhere)) {
            let found = [webhook, audit, cli].map(|outcomes| outcomes.get(&row.constraint));
            pairs += 1;
            if found[0] != found[1] || found[1] != found[2] {
                failures.push(format!("{} ({}) on {}: {found:?}", row.name, row.constraint, subject.object));
            }
        }
    }
    pairs
}
