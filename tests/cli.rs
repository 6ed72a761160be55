//! Documentation that is executed: README and the pages under `tests/cli/`.
//!
//! A ```yaml block whose first line is a comment with a file name (`# team.yaml`) is written to the page's directory. A
//! ```console block is run: what follows `$` is a command, what follows the command is its output, stdout before
//! stderr, and `? N` its exit code unless that is 0. `[..]` stands for anything within a line, `...` alone for any lines.
//! Blocks that need what a test cannot give are marked ```sh and not run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;

#[test]
fn pages_tell_the_truth() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> =
        std::fs::read_dir(root.join("tests/cli")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.push(root.join("README.md"));
    pages.sort();
    let failures: Vec<String> = pages.iter().flat_map(|page| run_page(root, page)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(pages.len() > 1, "no pages found");
}

fn run_page(root: &Path, page: &Path) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    // Pages speak of the repository's own files, too.
    std::os::unix::fs::symlink(root.join("policies"), directory.path().join("policies")).unwrap();
    let text = std::fs::read_to_string(page).unwrap();
    let mut failures = Vec::new();
    for block in blocks(&text) {
        match block.language {
            "yaml" => write_file(directory.path(), block.body),
            "console" => {
                let found = run_block(directory.path(), block.body);
                failures.extend(found.err().map(|error| format!("{}:{}: {error}", page.display(), block.line)));
            }
            _ => {}
        }
    }
    failures
}

struct Block<'a> {
    language: &'a str,
    body: &'a str,
    line: usize,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let fence = Regex::new(r"(?ms)^```(\w+)\n(.*?)^```$").unwrap();
    let line = |offset: usize| text[..offset].lines().count() + 1;
    let found = fence.captures_iter(text).map(|captures| captures.extract::<2>());
    found
        .map(|(whole, [language, body])| {
            let offset = whole.as_ptr() as usize - text.as_ptr() as usize;
            Block { language, body, line: line(offset) }
        })
        .collect()
}

fn write_file(directory: &Path, body: &str) {
    let first = body.lines().next().unwrap_or_default();
    let Some(name) = first.strip_prefix("# ").filter(|name| name.ends_with(".yaml") && !name.contains(' ')) else {
        return;
    };
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, body).unwrap();
}

fn run_block(directory: &Path, body: &str) -> Result<(), String> {
    let mut lines = body.lines().peekable();
    while let Some(line) = lines.next() {
        let command = line.strip_prefix("$ ").ok_or_else(|| format!("expected a command, found {line:?}"))?;
        let mut expected = Vec::new();
        let mut code = 0;
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
            match line.strip_prefix("? ") {
                Some(number) => code = number.parse().map_err(|_| format!("{line:?} is no exit code"))?,
                None => expected.push(line),
            }
        }
        run_command(directory, command, &expected, code)?;
    }
    Ok(())
}

fn run_command(directory: &Path, command: &str, expected: &[&str], code: i32) -> Result<(), String> {
    let binaries = Path::new(env!("CARGO_BIN_EXE_admit")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(binaries.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(directory)
        .env("PATH", path)
        // What the developer's terminal and CI would change.
        .env_remove("CI_PROJECT_DIR")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("COLUMNS")
        .env_remove("GITHUB_WORKSPACE")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let found = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    let expected = expected.join("\n");
    let pattern = expected.lines().map(line_pattern).collect::<Vec<_>>().join("\n");
    let matches = Regex::new(&format!(r"(?s)^{pattern}\n*$")).unwrap().is_match(found.trim_end());
    if matches && output.status.code() == Some(code) {
        return Ok(());
    }
    let status = output.status;
    Err(format!("$ {command}\nexpected (exit code {code}):\n{expected}\n\nfound ({status}):\n{found}"))
}

fn line_pattern(line: &str) -> String {
    if line == "..." { ".*".to_owned() } else { regex::escape(line).replace(r"\[\.\.\]", "[^\n]*") }
}
