//! `admit explain`: what the rules of policy lint look for, and why.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::print;
use crate::workbench::lint::rules::{PolicyRule, RULES, find, nearest};

/// Nothing has that code.
const UNKNOWN: u8 = 3;

/// Arguments of `admit explain`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0, or 3 when nothing has that code.")]
pub(super) struct ExplainArguments {
    /// A code, such as AP001, or the name of a rule; all are listed without one
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Runs the command.
pub(super) fn run(arguments: &ExplainArguments) -> Result<ExitCode> {
    let Some(code) = &arguments.code else {
        print(&list())?;
        return Ok(ExitCode::SUCCESS);
    };
    let Some(rule) = find(code.trim()) else {
        let PolicyRule { code: near, name, .. } = nearest(code);
        anstream::eprintln!(
            "error: there is no rule {code:?}; the nearest is {near} ({name}). `admit explain` lists all."
        );
        return Ok(ExitCode::from(UNKNOWN));
    };
    let PolicyRule { code, name, severity, summary, page, .. } = rule;
    print(&format!("{code} {name} ({})\n\n{summary}.\n\n{page}\n", severity.as_str()))?;
    Ok(ExitCode::SUCCESS)
}

fn list() -> String {
    let width = RULES.iter().map(|rule| rule.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for PolicyRule { code, name, severity, summary, .. } in RULES {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{code}  {name:width$}  {:7}  {summary}", severity.as_str());
    }
    text
}
