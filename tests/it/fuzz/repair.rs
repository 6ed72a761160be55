//! Generated policies often do not compile: a type does not fit, a variable is not bound. What the errors point at goes.

use std::panic::catch_unwind;

use admit::model::api::RegoVersion;
use admit::policy::engine::rego::query::{Policies, SourceFile};

/// Enough for each line once.
const ROUNDS: usize = 60;

/// The policy without what does not compile; as it is where that does not help.
pub(super) fn repaired(source: &str, version: RegoVersion) -> String {
    let mut lines: Vec<String> = source.lines().map(str::to_owned).collect();
    for _ in 0..ROUNDS {
        let text = lines.join("\n") + "\n";
        let file = SourceFile { name: "m".to_owned(), text: text.clone() };
        let compiled = catch_unwind(|| Policies::compile(&[file], version));
        let Ok(Err(errors)) = compiled else { return text };
        let mut wrong: Vec<usize> = errors.iter().map(|error| error.span.line as usize).collect();
        wrong.sort_unstable();
        wrong.dedup();
        for line in wrong.into_iter().rev() {
            remove(&mut lines, line.saturating_sub(1));
        }
    }
    source.to_owned()
}

/// An expression becomes `true`; a head goes with all that it heads.
fn remove(lines: &mut Vec<String>, at: usize) {
    let Some(line) = lines.get_mut(at) else { return };
    if !line.ends_with('{') {
        let is_expression = !line.starts_with(['}', 'p', 'd']);
        *line = if is_expression && !line.starts_with("import") { "true".to_owned() } else { String::new() };
        return;
    }
    let is_branch = line.starts_with('}');
    let length = lines.iter().skip(at + 1).position(|line| line.starts_with('}') && (is_branch || line == "}"));
    let end = length.map_or(lines.len(), |length| at + 1 + length);
    // The brace that ends a branch ends the clause then.
    lines.drain(at..if is_branch { end } else { (end + 1).min(lines.len()) });
}
