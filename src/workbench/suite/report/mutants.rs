//! What tests do not notice, for people: one place and one changed line each, and a table.

use std::fmt::Write;

use crate::workbench::suite::mutants::TemplateMutants;

/// Survivors of all templates, and how many there were.
pub(super) fn render_mutants(templates: &[TemplateMutants]) -> String {
    let mut text = String::new();
    if templates.is_empty() {
        return "mutants: no template has a case to try them with\n".to_owned();
    }
    for survivor in templates.iter().flat_map(|one| &one.survivors) {
        line(&mut text, format_args!("{}: no test notices if {}", survivor.place, survivor.change));
        if !survivor.text.is_empty() {
            line(&mut text, format_args!("    | {}", survivor.text));
        }
    }
    line(&mut text, format_args!("{:<18}TEMPLATE", "NOTICED"));
    for one in templates {
        let tried = one.killed + one.survivors.len();
        let share = format!("{:>5.1}% {}/{tried}", one.score(), one.killed);
        line(&mut text, format_args!("{share:<18}{}{}", one.file, remarks(one)));
    }
    text.push('\n');
    text
}

fn remarks(one: &TemplateMutants) -> String {
    let stopped = (one.stopped > 0).then(|| format!("{} killed by limit", one.stopped));
    let left_out = (one.left_out > 0).then(|| format!("{} left out", one.left_out));
    let remarks: Vec<String> = stopped.into_iter().chain(left_out).collect();
    if remarks.is_empty() { String::new() } else { format!("  ({})", remarks.join(", ")) }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
