//! Coverage as a tracefile of lcov, which CI servers and editors read. Paths are those from the working directory, rules
//! are functions. Clauses of one rule have names of their own, with their lines, because functions must have.

use std::fmt::Write;

use crate::workbench::suite::coverage::TemplateCoverage;

/// A tracefile.
pub fn render_lcov(templates: &[TemplateCoverage]) -> String {
    let mut text = String::new();
    templates.iter().for_each(|template| {
        // Writing to a string cannot fail.
        let _ = record(&mut text, template);
    });
    text
}

fn record(text: &mut String, template: &TemplateCoverage) -> std::fmt::Result {
    writeln!(text, "TN:admit\nSF:{}", template.file)?;
    for rule in &template.rules {
        writeln!(text, "FN:{},{}:{}", rule.line, rule.name, rule.line)?;
    }
    for rule in &template.rules {
        writeln!(text, "FNDA:{},{}:{}", rule.held, rule.name, rule.line)?;
    }
    writeln!(text, "FNF:{}\nFNH:{}", template.rules.len(), template.covered_rules())?;
    for (line, count) in &template.lines {
        writeln!(text, "DA:{line},{count}")?;
    }
    writeln!(text, "LF:{}\nLH:{}\nend_of_record", template.lines.len(), template.covered_lines())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::workbench::suite::coverage::RuleCoverage;

    #[test]
    fn writes_lines_and_functions() {
        let one = TemplateCoverage {
            name: "a".to_owned(),
            file: "policies/a.yaml".to_owned(),
            lines: BTreeMap::from([(3, 1), (4, 0)]),
            rules: vec![RuleCoverage { name: "violation".to_owned(), line: 3, held: 1 }],
        };
        let expected = "TN:admit\nSF:policies/a.yaml\nFN:3,violation:3\nFNDA:1,violation:3\nFNF:1\nFNH:1\nDA:3,1\nDA:4,0\n\
                        LF:2\nLH:1\nend_of_record\n";
        assert_eq!(render_lcov(&[one]), expected);
    }
}
