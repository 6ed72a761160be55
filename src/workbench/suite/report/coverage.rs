//! Coverage for people: a table, and below it what is not covered, as places to jump to.

use std::fmt::Write;

use crate::workbench::suite::coverage::{LineRange, TemplateCoverage};

/// A table of templates.
pub(super) fn render_coverage(templates: &[TemplateCoverage]) -> String {
    let mut text = String::new();
    if templates.is_empty() {
        return "coverage: no template was tested\n".to_owned();
    }
    line(&mut text, format_args!("{:<16}{:<16}TEMPLATE", "LINES", "RULES"));
    for one in templates {
        let lines = share(one.line_percent(), one.covered_lines(), one.lines.len());
        let rules = share(one.rule_percent(), one.covered_rules(), one.rules.len());
        line(&mut text, format_args!("{lines:<16}{rules:<16}{}", one.file));
    }
    let mut is_first = true;
    for one in templates {
        for range in one.not_covered() {
            if std::mem::take(&mut is_first) {
                line(&mut text, format_args!("not covered:"));
            }
            line(&mut text, format_args!("  {}:{}{}", one.file, shown(range), rules_in(one, range)));
        }
    }
    text.push('\n');
    text
}

fn share(percent: f64, part: usize, whole: usize) -> String {
    format!("{percent:>5.1}% {part}/{whole}")
}

fn shown(LineRange { first, last }: LineRange) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// Rules whose bodies never held and whose heads are there.
fn rules_in(template: &TemplateCoverage, range: LineRange) -> String {
    let is_here = |line: u32| (range.first..=range.last).contains(&line);
    let mut names: Vec<&str> =
        template.rules.iter().filter(|rule| rule.held == 0 && is_here(rule.line)).map(|rule| &*rule.name).collect();
    names.dedup();
    if names.is_empty() { String::new() } else { format!("  {} never held", names.join(", ")) }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::workbench::suite::coverage::RuleCoverage;

    #[test]
    fn names_what_is_not_covered() {
        let rule = |line, held| RuleCoverage { name: "violation".to_owned(), line, held };
        let one = TemplateCoverage {
            name: "a".to_owned(),
            file: "a.yaml".to_owned(),
            lines: BTreeMap::from([(3, 1), (4, 2), (8, 0), (9, 0), (12, 0)]),
            rules: vec![rule(3, 1), rule(8, 0)],
        };
        let expected = "\
LINES           RULES           TEMPLATE
 40.0% 2/5       50.0% 1/2      a.yaml
not covered:
  a.yaml:8-9  violation never held
  a.yaml:12

";
        assert_eq!(render_coverage(&[one]), expected);
    }
}
