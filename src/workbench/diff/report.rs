//! A difference for people, for pull requests (Markdown), and for programs (JSON).

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Change, Difference, ObjectDifference, Stated};

/// In the order in which they are shown.
const VERDICTS: [&str; 4] = ["becomes denied", "becomes allowed", "stays denied", "stays allowed"];

/// For people.
pub fn text(difference: &Difference) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_text(&mut text, difference);
    text
}

fn write_text(text: &mut String, difference: &Difference) -> std::fmt::Result {
    for (verdict, one) in in_order(difference) {
        writeln!(text, "{verdict}: {} ({})", one.object, one.place)?;
        one.changes.iter().try_for_each(|change| write_change(text, change))?;
    }
    if !difference.objects.is_empty() {
        text.push('\n');
    }
    writeln!(text, "{}", summary(difference))
}

fn write_change(text: &mut String, change: &Change) -> std::fmt::Result {
    let constraint = &change.constraint;
    let mut side = |sign: char, stated: &Stated| {
        writeln!(text, "  {sign} {constraint} {}: {}", stated.actions.join(", "), stated.message)
    };
    change.before.iter().try_for_each(|before| side('-', before))?;
    change.now.iter().try_for_each(|now| side('+', now))
}

/// One table row a change.
pub fn markdown(difference: &Difference) -> String {
    let mut text = String::new();
    let _ = write_markdown(&mut text, difference);
    text
}

fn write_markdown(text: &mut String, difference: &Difference) -> std::fmt::Result {
    writeln!(text, "{}", summary(difference))?;
    if difference.objects.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n| | object | constraint | before | now |\n|---|---|---|---|---|")?;
    for (verdict, one) in in_order(difference) {
        for change in &one.changes {
            let (object, constraint) = (cell(&format!("{} ({})", one.object, one.place)), cell(&change.constraint));
            let (before, now) = (stated_cell(change.before.as_ref()), stated_cell(change.now.as_ref()));
            writeln!(text, "| {verdict} | {object} | {constraint} | {before} | {now} |")?;
        }
    }
    Ok(())
}

fn stated_cell(stated: Option<&Stated>) -> String {
    stated.map_or_else(|| "–".to_owned(), |one| cell(&format!("{}: {}", one.actions.join(", "), one.message)))
}

/// Messages are anybody's text.
fn cell(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('>', "&gt;");
    escaped.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// For programs. Keys are added, never changed.
pub fn json(difference: &Difference) -> String {
    let objects: Vec<Value> = in_order(difference).into_iter().map(|(verdict, one)| object(verdict, one)).collect();
    let value = json!({
        "judged": difference.judged,
        "denied": difference.denied(),
        "allowed": difference.allowed(),
        "objects": objects,
    });
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    format!("{text}\n")
}

fn object(verdict: &str, one: &ObjectDifference) -> Value {
    let stated =
        |stated: &Option<Stated>| stated.as_ref().map(|one| json!({"message": one.message, "actions": one.actions}));
    let change = |change: &Change| json!({"constraint": change.constraint, "before": stated(&change.before), "now": stated(&change.now)});
    let changes: Vec<Value> = one.changes.iter().map(change).collect();
    json!({"object": one.object.to_string(), "place": one.place, "verdict": verdict, "changes": changes})
}

fn in_order(difference: &Difference) -> Vec<(&'static str, &ObjectDifference)> {
    let of = |verdict: &'static str| {
        let objects = difference.objects.iter().filter(move |one| verdict_of(one) == verdict);
        objects.map(move |one| (verdict, one))
    };
    VERDICTS.into_iter().flat_map(of).collect()
}

fn verdict_of(one: &ObjectDifference) -> &'static str {
    match one.is_denied {
        (false, true) => "becomes denied",
        (true, false) => "becomes allowed",
        (true, true) => "stays denied",
        (false, false) => "stays allowed",
    }
}

fn summary(difference: &Difference) -> String {
    let (denied, allowed) = (difference.denied(), difference.allowed());
    let otherwise = difference.objects.len() - denied - allowed;
    let judged = difference.judged;
    let plural = if judged == 1 { "" } else { "s" };
    if difference.objects.is_empty() {
        return format!("{judged} object{plural} judged: nothing changes");
    }
    let count =
        |number: usize, what: &str| format!("{number} {}{what}", if number == 1 { "becomes " } else { "become " });
    let (denied, allowed) = (count(denied, "denied"), count(allowed, "allowed"));
    format!("{judged} object{plural} judged: {denied}, {allowed}, {otherwise} otherwise changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_any_text() {
        assert_eq!(cell("a|b\n<c> \\"), "a\\|b &lt;c&gt; \\\\");
    }
}
