//! The house rules, as a test: who imports whom, who names which crate, and what a file must look like.
//!
//! The tables below are the table of `src/lib.rs` in code. The checker reads the sources as text: comments, strings and
//! `#[cfg(test)]` modules are blanked out, `use` trees are unfolded, `super::` is resolved, and each rule looks at the
//! paths that remain. It does not see through macros and re-exports. Every finding is listed, not just the first.

mod checker;
mod lexer;
mod paths;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use lexer::{Token, test_modules, tokens};
use source::{Source, sources};

/// The rooms, and the rooms that each may import. `main.rs` and `lib.rs` may import all.
const ROOMS: [(&str, &[&str]); 6] = [
    ("model", &[]),
    ("policy", &["model"]),
    ("manifest", &["model"]),
    ("workbench", &["model", "policy", "manifest"]),
    ("server", &["model", "policy"]),
    ("cli", &["model", "policy", "manifest", "workbench", "server"]),
];

/// Crates that only some may name: folders end with a slash, files do not. Crates not listed are free to all.
const OWNERS: &[(&str, &[&str])] = &[
    ("annotate_snippets", &["workbench/"]),
    ("anstream", &["cli/", "main.rs"]),
    ("anstyle", &["cli/", "main.rs"]),
    ("anyhow", &["cli/", "main.rs"]),
    ("arc_swap", &["policy/snapshot/"]),
    ("axum", &["server/"]),
    ("cel", &["policy/engine/cel/"]),
    ("clap", &["cli/", "main.rs"]),
    ("clap_complete", &["cli/completions.rs"]),
    ("clap_mangen", &["cli/man.rs"]),
    ("data_encoding", &["model/api/provider.rs", "model/review/", "server/outbound/"]),
    ("flate2", &["server/outbound/"]),
    ("foldhash", &["model/value/"]),
    ("futures", &["server/", "cli/"]),
    ("globset", &["manifest/"]),
    ("granit_parser", &["manifest/", "policy/engine/rego/annotations/", "policy/engine/rego/builtins/"]),
    ("http_body_util", &["server/"]),
    ("hyper", &["server/"]),
    ("hyper_rustls", &["server/outbound/"]),
    ("hyper_util", &["server/"]),
    ("ignore", &["manifest/"]),
    ("indicatif", &["cli/"]),
    ("json_patch", &["policy/mutation/"]),
    ("k8s_openapi", &["server/"]),
    ("kube", &["server/"]),
    ("libc", &["server/memory.rs"]),
    ("opentelemetry", &["server/"]),
    ("opentelemetry_http", &["server/"]),
    ("opentelemetry_otlp", &["server/"]),
    ("opentelemetry_sdk", &["server/"]),
    ("p224", &["policy/engine/rego/builtins/keys/"]),
    ("p256", &["policy/engine/rego/builtins/keys/"]),
    ("p384", &["policy/engine/rego/builtins/keys/"]),
    ("p521", &["policy/engine/rego/builtins/keys/"]),
    ("prometheus_client", &["server/"]),
    ("quick_junit", &["workbench/"]),
    ("rayon", &["workbench/"]),
    ("rcgen", &["server/"]),
    ("regorus", &["policy/engine/rego/second_opinion.rs"]),
    ("rustls", &["policy/engine/rego/builtins/http/", "server/", "main.rs"]),
    ("rustls_native_certs", &["policy/engine/rego/builtins/http/", "server/trust.rs"]),
    ("similar", &["workbench/text_diff.rs"]),
    ("tar", &["server/outbound/"]),
    ("terminal_size", &["cli/"]),
    ("tokio", &["server/", "cli/"]),
    ("tokio_rustls", &["server/"]),
    ("tower", &["server/"]),
    ("ureq", &["policy/engine/rego/builtins/http/", "server/outbound/", "server/telemetry/traces/", "server/trust.rs"]),
    ("x509_parser", &["server/"]),
];

/// Lines of a file that are not tests. More of them hide a second file.
const LONGEST_FILE: usize = 500;

/// Macros that promise code instead of being it.
const PROMISES: [&str; 2] = ["todo", "unimplemented"];

#[test]
fn rooms_import_only_what_the_table_allows() {
    report(judge(forbidden_imports, &sources().unwrap()));
}

#[test]
fn crates_are_named_by_their_owners_only() {
    report(judge(borrowed_crates, &sources().unwrap()));
}

#[test]
fn folders_of_a_room_do_not_import_in_circles() {
    report(import_circles(&sources().unwrap()));
}

#[test]
fn files_say_what_they_are_for() {
    report(judge(missing_heads, &sources().unwrap()));
}

#[test]
fn files_are_short() {
    report(judge(long_files, &sources().unwrap()));
}

#[test]
fn nothing_is_left_for_later() {
    report(judge(promises, &sources().unwrap()));
}

/// What is wrong, and where.
struct Finding {
    path: String,
    line: usize,
    text: String,
}

fn forbidden_imports(source: &Source) -> Vec<Finding> {
    let Some((room, allowed)) = ROOMS.iter().find(|(room, _)| *room == source.module().first().map_or("", |m| m))
    else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for path in &source.paths {
        let [root, target, ..] = path.segments.as_slice() else { continue };
        let is_room = ROOMS.iter().any(|(name, _)| name == target);
        if root == "crate" && is_room && target != room && !allowed.contains(&target.as_str()) {
            let allowed = if allowed.is_empty() { "no other room".to_owned() } else { allowed.join(", ") };
            let text = format!("{room} imports {}, expected {allowed} at most", path.segments.join("::"));
            findings.push(source.finding(path.line, text));
        }
    }
    findings
}

fn borrowed_crates(source: &Source) -> Vec<Finding> {
    let local = source.local_names();
    let mut findings = Vec::new();
    for path in &source.paths {
        let Some(name) = path.segments.first().filter(|_| path.is_import || path.segments.len() > 1) else { continue };
        let Some((_, owners)) = OWNERS.iter().find(|(owned, _)| owned == name) else { continue };
        let is_owner = owners.iter().any(|owner| match owner.strip_suffix('/') {
            Some(_) => source.path.starts_with(owner),
            None => source.path == *owner,
        });
        if !is_owner && !local.contains(name.as_str()) {
            let text = format!("names the crate {name}, expected only in {}", owners.join(", "));
            findings.push(source.finding(path.line, text));
        }
    }
    findings
}

/// Folders directly inside a room must have an order: reports every import that is part of a circle.
fn import_circles(sources: &[Source]) -> Vec<Finding> {
    let imports = folder_imports(sources);
    let mut findings = Vec::new();
    for (from, targets) in &imports {
        for (to, (source, line)) in targets.iter().filter(|(to, _)| leads_to(&imports, to, from)) {
            let [from, to] = [from, to].map(|(room, folder)| format!("{room}/{folder}"));
            let text = format!("{from} imports {to}, which imports it in turn, expected one way only");
            findings.push(source.finding(*line, text));
        }
    }
    findings
}

/// A room and a folder directly inside it.
type Folder = (String, String);

/// Folders, the folders of the same room that they import, and the first place where they do.
type FolderImports<'a> = BTreeMap<Folder, BTreeMap<Folder, (&'a Source, usize)>>;

fn folder_imports(sources: &[Source]) -> FolderImports<'_> {
    let folders: BTreeSet<Folder> = sources.iter().filter_map(Source::folder).collect();
    let mut imports = FolderImports::new();
    for source in sources {
        let Some(from) = source.folder() else { continue };
        for path in &source.paths {
            let [root, room, folder, ..] = path.segments.as_slice() else { continue };
            let to = (room.clone(), folder.clone());
            if root == "crate" && folders.contains(&to) && to != from && to.0 == from.0 {
                imports.entry(from.clone()).or_default().entry(to).or_insert((source, path.line));
            }
        }
    }
    imports
}

fn leads_to(imports: &FolderImports<'_>, start: &Folder, goal: &Folder) -> bool {
    let mut seen = BTreeSet::new();
    let mut pending = vec![start];
    while let Some(folder) = pending.pop() {
        if folder == goal {
            return true;
        }
        if seen.insert(folder) {
            pending.extend(imports.get(folder).into_iter().flat_map(BTreeMap::keys));
        }
    }
    false
}

fn missing_heads(source: &Source) -> Vec<Finding> {
    let opens_well = source.text.lines().next().is_some_and(|line| line.len() > 4 && line.starts_with("//! "));
    let text = "opens without a `//!` line, expected what the file owns, promises and leaves out".to_owned();
    if opens_well { Vec::new() } else { vec![source.finding(1, text)] }
}

fn long_files(source: &Source) -> Vec<Finding> {
    if source.is_test() {
        return Vec::new();
    }
    let tests = test_modules(&source.code_with_tests());
    let test_lines: usize = tests.iter().map(|(start, end)| end - start + 1).sum();
    let lines = source.text.lines().count().saturating_sub(test_lines);
    let text = format!("has {lines} lines without tests, expected at most {LONGEST_FILE}");
    if lines > LONGEST_FILE { vec![source.finding(1, text)] } else { Vec::new() }
}

fn promises(source: &Source) -> Vec<Finding> {
    let tokens = tokens(&source.code);
    let is_promise =
        |pair: &&[Token]| matches!(pair, [name, bang] if PROMISES.contains(&name.text.as_str()) && bang.text == "!");
    let to_finding = |pair: &[Token]| {
        pair.first().map(|name| source.finding(name.line, format!("says {}!, expected code", name.text)))
    };
    tokens.windows(2).filter(is_promise).filter_map(to_finding).collect()
}

fn judge(rule: fn(&Source) -> Vec<Finding>, sources: &[Source]) -> Vec<Finding> {
    sources.iter().flat_map(rule).collect()
}

fn report(mut findings: Vec<Finding>) {
    findings.sort_by(|left, right| (&left.path, left.line).cmp(&(&right.path, right.line)));
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} findings:\n{}", lines.len(), lines.join("\n"));
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "src/{}:{}: {}", self.path, self.line, self.text)
    }
}
