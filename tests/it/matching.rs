//! The rows of `matching/rows.yaml`, each judged in three ways: by the webhook over TLS, by the review that an audit makes,
//! and by the command line on files. All constraints are there at once, so every object also meets the constraints of
//! all other rows: on those the three must agree.

mod row;
mod ways;

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
