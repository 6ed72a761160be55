//! `admit man`: manual pages, made from the same words as `--help`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_mangen::Man;

use super::print;

/// In the help of a command, what follows is about its exit codes.
const EXIT_CODES: &str = "Exit code: ";
const USUAL_EXIT_CODES: &str = "0 when it went well, 1 when it did not, 2 for a wrong command line.";

/// Arguments of `admit man`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  admit man | man -l -\n  admit man /usr/local/share/man/man1")]
pub(super) struct ManArguments {
    /// Directory for a page of each subcommand; the page of admit itself goes to stdout when absent
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: &ManArguments, command: Command) -> Result<ExitCode> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    match &arguments.directory {
        None => print(&String::from_utf8_lossy(&page(&command)?))?,
        Some(directory) => {
            std::fs::create_dir_all(directory).with_context(|| format!("failed to make {}", directory.display()))?;
            write(&command, directory)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a command and those of everything below it.
fn write(command: &Command, directory: &Path) -> Result<()> {
    let path = directory.join(Man::new(command.clone()).get_filename());
    std::fs::write(&path, page(command)?).with_context(|| format!("failed to write {}", path.display()))?;
    command.get_subcommands().filter(|one| !one.is_hide_set()).try_for_each(|one| write(one, directory))
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (about, codes) = help.split_once(EXIT_CODES).unwrap_or((help.as_str(), USUAL_EXIT_CODES));
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.get_subcommands().any(|one| !one.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    section(&mut page, "NOTES", about);
    section(&mut page, "EXIT STATUS", codes);
    if command.get_version().is_some() {
        man.render_version_section(&mut page)?;
    }
    Ok(page)
}

/// A section of lines as they are.
fn section(page: &mut Vec<u8>, title: &str, text: &str) {
    if text.trim().is_empty() {
        return;
    }
    page.extend(format!(".SH \"{title}\"\n").bytes());
    let mut is_filled = true;
    for line in text.trim().lines() {
        // Lines of examples keep their shape.
        if is_filled == line.starts_with("  ") {
            page.extend(if is_filled { ".nf\n" } else { ".fi\n" }.bytes());
            is_filled = !is_filled;
        }
        page.extend(if line.is_empty() { ".PP".to_owned() } else { escaped(line) }.bytes());
        page.push(b'\n');
    }
    if !is_filled {
        page.extend(b".fi\n");
    }
}

/// Text that troff does not take for its own.
fn escaped(line: &str) -> String {
    let text = line.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_text_and_examples_stay_lines() {
        let mut page = Vec::new();
        section(&mut page, "NOTES", "a-b\n.c\n\nExamples:\n  'x\\y\n");
        let expected = ".SH \"NOTES\"\na\\-b\n\\&.c\n.PP\nExamples:\n.nf\n  'x\\ey\n.fi\n";
        assert_eq!(String::from_utf8(page).unwrap(), expected);
    }
}
