//! Which item of a list has become which: [`align`].

use serde_json::Value;

/// Pairs of items that are compared with each other; longer lists are paired from both ends.
const MAX_PAIRS: usize = 250_000;
/// Fields by which people know the items of a list, the surest first.
const NAMES: [&str; 7] = ["name", "key", "containerPort", "mountPath", "port", "ip", "uid"];

/// What becomes of a list, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The old item is now the new one.
    Keep(usize, usize),
    /// The old item is gone.
    Remove(usize),
    /// The new item comes in between.
    Insert(usize),
}

/// The steps that keep most of a list.
pub(super) fn align(old: &[Value], new: &[Value]) -> Vec<Step> {
    let front = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (old.get(front..).unwrap_or_default(), new.get(front..).unwrap_or_default());
    let back = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(old, new)| old == new).count();
    let old_middle = old_rest.get(..old_rest.len() - back).unwrap_or_default();
    let new_middle = new_rest.get(..new_rest.len() - back).unwrap_or_default();
    let mut steps: Vec<Step> = (0..front).map(|at| Step::Keep(at, at)).collect();
    let middle = if old_middle.len().saturating_mul(new_middle.len()) <= MAX_PAIRS {
        best(old_middle, new_middle)
    } else {
        in_order(old_middle.len(), new_middle.len())
    };
    steps.extend(middle.into_iter().map(|step| match step {
        Step::Keep(old, new) => Step::Keep(front + old, front + new),
        Step::Remove(old) => Step::Remove(front + old),
        Step::Insert(new) => Step::Insert(front + new),
    }));
    steps.extend((0..back).map(|at| Step::Keep(old.len() - back + at, new.len() - back + at)));
    steps
}

fn in_order(old: usize, new: usize) -> Vec<Step> {
    let common = old.min(new);
    let pairs = (0..common).map(|at| Step::Keep(at, at));
    pairs.chain((common..old).map(Step::Remove)).chain((common..new).map(Step::Insert)).collect()
}

/// The pairing with the highest sum of likeness. Every pair is like enough to be better than none, so that no gap has both
/// items to remove and items to insert.
fn best(old: &[Value], new: &[Value]) -> Vec<Step> {
    let width = new.len() + 1;
    let mut sums = vec![0_usize; (old.len() + 1) * width];
    let sum = |sums: &[usize], row: usize, column: usize| sums.get(row * width + column).copied().unwrap_or_default();
    for (row, one) in old.iter().enumerate().rev() {
        for (column, other) in new.iter().enumerate().rev() {
            let pair = likeness(one, other) + sum(&sums, row + 1, column + 1);
            let highest = pair.max(sum(&sums, row + 1, column)).max(sum(&sums, row, column + 1));
            if let Some(cell) = sums.get_mut(row * width + column) {
                *cell = highest;
            }
        }
    }
    let (mut row, mut column, mut steps) = (0, 0, Vec::new());
    while let (Some(one), Some(other)) = (old.get(row), new.get(column)) {
        let here = sum(&sums, row, column);
        if here == likeness(one, other) + sum(&sums, row + 1, column + 1) {
            steps.push(Step::Keep(row, column));
            (row, column) = (row + 1, column + 1);
        } else if here == sum(&sums, row + 1, column) {
            steps.push(Step::Remove(row));
            row += 1;
        } else {
            steps.push(Step::Insert(column));
            column += 1;
        }
    }
    steps.extend((row..old.len()).map(Step::Remove));
    steps.extend((column..new.len()).map(Step::Insert));
    steps
}

fn likeness(old: &Value, new: &Value) -> usize {
    if old == new {
        return 8;
    }
    let shared = NAMES.iter().find_map(|name| Some((old.get(name)?, new.get(name)?)));
    match shared {
        Some((old, new)) if old == new => 5,
        Some(_) => 1,
        None if old.is_object() == new.is_object() && old.is_array() == new.is_array() => 2,
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(old: Value, new: Value, expected: &str) {
        let show = |step: Step| match step {
            Step::Keep(old, new) => format!("{old}={new}"),
            Step::Remove(old) => format!("-{old}"),
            Step::Insert(new) => format!("+{new}"),
        };
        let steps = align(old.as_array().unwrap(), new.as_array().unwrap());
        assert_eq!(steps.into_iter().map(show).collect::<Vec<_>>().join(" "), expected, "{old} {new}");
    }

    #[test]
    fn keeps_what_can_be_kept() {
        check(json!([1, 2, 3]), json!([1, 3]), "0=0 -1 2=1");
        check(json!([1]), json!([0, 1, 2]), "+0 0=1 +2");
        check(json!([1, 2]), json!([1, 9]), "0=0 1=1");
        check(json!([]), json!([1]), "+0");
        check(json!([1, 1]), json!([]), "-0 -1");
    }

    #[test]
    fn knows_items_by_their_names() {
        check(
            json!([{"name": "a", "x": 1}, {"name": "b", "x": 1}]),
            json!([{"name": "n"}, {"name": "a", "x": 2}, {"name": "b", "x": 2}]),
            "+0 0=1 1=2",
        );
        check(json!([{"name": "a"}, {"name": "b", "x": 1}]), json!([{"name": "b"}]), "-0 1=0");
    }

    #[test]
    fn long_lists_are_paired_in_order() {
        let old: Vec<Value> = (0..1_000).map(|at| json!(at)).collect();
        let new: Vec<Value> = (0..1_002).map(|at| json!(-at - 1)).collect();
        let steps = align(&old, &new);
        assert_eq!(steps.last(), Some(&Step::Insert(1_001)));
        assert_eq!(steps.len(), 1_002);
    }
}
