//! The library in the binary is the one in `policies/`, keeps what its module promises, and its table is up to date.
//!
//! `UPDATE=1 cargo test --test all library` renews `src/workbench/library/table.rs` and `policies/README.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use admit::model::api::EnforcementAction;
use admit::policy::snapshot::BuildOptions;
use admit::workbench::bundle::{assemble, read_objects};
use admit::workbench::library::{self, Choice, EmbeddedPack, EmbeddedPolicy, Pack, Policy};

const COMMAND: &str = "UPDATE=1 cargo test --test all library";
const CATEGORIES: [&str; 10] = [
    "labels",
    "resources",
    "supply-chain",
    "networking",
    "pod-security",
    "access",
    "reliability",
    "storage",
    "scheduling",
    "deprecation",
];
const SEVERITIES: [&str; 4] = ["low", "medium", "high", "critical"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folders(of: &Path) -> Vec<String> {
    let entries = fs::read_dir(of).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A file of the tree for as long as the tests run, as if it were embedded.
fn text(path: PathBuf) -> Option<&'static str> {
    fs::read_to_string(path).ok().map(|text| &*text.leak())
}

/// Policies as they are in the tree. Folders without a template, such as those of mutators, are none.
fn policies_of_tree() -> Vec<EmbeddedPolicy> {
    let policies = root().join("policies");
    let mut found = Vec::new();
    for set in folders(&policies).into_iter().filter(|set| set != "packs") {
        for folder in folders(&policies.join(&set)) {
            let file = |name: &str| text(policies.join(&set).join(&folder).join(name));
            let Some(template) = file("template.yaml") else { continue };
            let lines = template.lines().skip_while(|line| line.trim() != "names:");
            let kind = lines.map(str::trim).find_map(|line| line.strip_prefix("kind: ")).expect(template);
            let sync = file("sync.yaml");
            let (kind, set, folder) = (kind.to_owned().leak(), set.clone().leak(), folder.leak());
            found.push(EmbeddedPolicy { kind, set, folder, template, sync });
        }
    }
    found
}

fn packs_of_tree() -> Vec<EmbeddedPack> {
    let packs = root().join("policies/packs");
    let pack = |name: String| {
        let file = |of: &str| {
            let missing = || panic!("policies/packs/{name}/{of} is missing");
            text(packs.join(&name).join(of)).unwrap_or_else(missing)
        };
        let (constraints, readme) = (file("constraints.yaml"), file("README.md"));
        EmbeddedPack { name: name.leak(), constraints, readme }
    };
    folders(&packs).into_iter().map(pack).collect()
}

/// Fails when a file is not as it should be, or makes it so.
fn check_file(path: &str, expected: &str) {
    let path = root().join(path);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, expected).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let first = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    let line = first.unwrap_or(found.lines().count().min(expected.lines().count())) + 1;
    assert!(found == expected, "{} is out of date from line {line} on; renew it: {COMMAND}", path.display());
}

/// A text with what is between the lines `{` and `};` after `name` replaced.
fn with_lines(text: &str, name: &str, lines: &[String]) -> String {
    let start = text.find(name).expect(name);
    let open = start + text[start..].find("! {\n").expect(name) + 4;
    let close = open + text[open..].find("};\n").expect(name);
    format!("{}{}{}", &text[..open], lines.concat(), &text[close..])
}

#[test]
fn the_binary_has_what_the_tree_has() {
    let policies: Vec<String> = policies_of_tree()
        .iter()
        .map(|one| {
            let sync = if one.sync.is_some() { " sync" } else { "" };
            format!("    {} \"{}\" / \"{}\"{sync};\n", one.kind, one.set, one.folder)
        })
        .collect();
    let packs: Vec<String> = packs_of_tree().iter().map(|one| format!("    \"{}\";\n", one.name)).collect();
    let path = "src/workbench/library/table.rs";
    let text = fs::read_to_string(root().join(path)).unwrap();
    check_file(path, &with_lines(&with_lines(&text, "const POLICIES", &policies), "const PACKS", &packs));
}

/// Between these lines, the README is generated.
const MARKS: [&str; 2] =
    ["<!-- The tables are generated: UPDATE=1 cargo test --test all library -->\n", "<!-- End of the tables -->\n"];

#[test]
fn the_table_of_policies_is_up_to_date() {
    let policies = policies_of_tree();
    let packs: Vec<Pack> = packs_of_tree().iter().map(Pack::read).collect();
    let mut tables = String::new();
    let sets: BTreeSet<&str> = policies.iter().map(|one| one.set).collect();
    for set in sets {
        tables += &format!("\n## {set}\n\n| policy | kind | | severity | packs |\n|---|---|---|---|---|\n");
        for one in policies.iter().filter(|one| one.set == set) {
            let Policy { title, severity, .. } = Policy::read(one);
            let of: Vec<&str> =
                packs.iter().filter(|pack| pack.kinds().contains(&one.kind)).map(|pack| pack.name).collect();
            let mark = if one.sync.is_some() { " †" } else { "" };
            let row = format!(
                "[{0}]({set}/{0}) | `{1}`{mark} | {title} | {severity} | {2}",
                one.folder,
                one.kind,
                of.join(", ")
            );
            tables += &format!("| {row} |\n");
        }
    }
    tables += "\n† compares with other objects of the cluster: its `sync.yaml` is needed, too.\n\n## Packs\n\n";
    tables += "| pack | | constraints |\n|---|---|---|\n";
    for pack in &packs {
        let (name, count) = (pack.name, pack.constraints.len());
        tables += &format!("| [{name}](packs/{name}) | {} | {count} |\n", pack.description);
    }
    let path = "policies/README.md";
    let text = fs::read_to_string(root().join(path)).unwrap();
    let [begin, end] = MARKS.map(|mark| text.find(mark).unwrap_or_else(|| panic!("{path} has no line {mark}")));
    check_file(path, &format!("{}{tables}\n{}", &text[..begin + MARKS[0].len()], &text[end..]));
}

#[test]
fn every_policy_says_what_it_is() {
    let mut names = BTreeSet::new();
    for one in library::policies() {
        let policy = Policy::read(one);
        let place = one.path();
        for (what, text) in
            [("title", &policy.title), ("description", &policy.description), ("version", &policy.version)]
        {
            assert!(!text.is_empty(), "{place}: no {what}");
        }
        assert!(CATEGORIES.contains(&policy.category.as_str()), "{place}: category {:?}", policy.category);
        assert!(SEVERITIES.contains(&policy.severity.as_str()), "{place}: severity {:?}", policy.severity);
        assert!(names.insert(one.kind.to_lowercase()), "{place}: the kind {} is there twice", one.kind);
        assert!(names.insert(format!("folder {}", one.folder)), "{place}: a folder of this name is there twice");
        assert!(!library::packs().iter().any(|pack| pack.name == one.folder), "{place}: a pack has this name");
        let undescribed: Vec<_> = policy.parameters.iter().filter(|one| one.description.is_empty()).collect();
        let is_inner = |path: &str| path.contains('.');
        assert!(undescribed.iter().all(|one| is_inner(&one.path)), "{place}: without description: {undescribed:?}");
    }
    assert!(names.len() >= 8, "{names:?}");
}

#[test]
fn every_pack_can_be_used_as_it_is() {
    let mut known: BTreeMap<String, (&str, serde_json::Value)> = BTreeMap::new();
    for embedded in library::packs() {
        let pack = Pack::read(embedded);
        let name = pack.name;
        assert!(
            !pack.title.is_empty() && !pack.description.is_empty(),
            "{name}: README.md has no heading or paragraph"
        );
        let whole: String = pack.constraints.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(whole, embedded.constraints, "{name}: something in constraints.yaml is no constraint");
        for one in &pack.constraints {
            let key = one.object.key().to_string();
            assert!(library::of_kind(&one.object.gvk().kind).is_some(), "{name}: {key} has no template");
            let action = one.object.field(&["spec", "enforcementAction"]).and_then(|action| action.as_str());
            assert_eq!(action, Some("warn"), "{name}: {key}");
            assert_eq!(one.with_action(&EnforcementAction::Deny).action(), EnforcementAction::Deny, "{name}: {key}");
            let value = one.object.value();
            let (first, known) = known.entry(key.clone()).or_insert_with(|| (name, value.clone()));
            assert!(known == value, "{key} is not the same in the packs {first} and {name}");
        }
        let documents = library::documents(&[Choice::new(embedded, None)]);
        let (objects, problems) = read_objects(documents);
        assert!(problems.is_empty(), "{problems:?}");
        let (bundle, problems) = assemble(objects, "", BuildOptions::default());
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        assert_eq!(bundle.snapshot.constraints().len(), pack.constraints.len(), "{name}");
    }
    assert!(!library::packs().is_empty());
}

#[test]
fn what_packs_share_is_as_strict_as_the_strictest() {
    for embedded in library::packs() {
        let actions = |choices: &[&str]| {
            let choices: Vec<Choice> = choices.iter().map(|text| text.parse().unwrap()).collect();
            let (objects, _) = read_objects(library::documents(&choices));
            let constraints =
                objects.iter().filter_map(|one| one.object.field(&["spec", "enforcementAction"]).cloned());
            constraints.map(|action| action.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let denying = format!("{}:deny", embedded.name);
        let alone = actions(&[&denying]);
        assert!(alone.iter().all(|action| action == "deny") && !alone.is_empty(), "{alone:?}");
        assert_eq!(actions(&[&denying, embedded.name]), alone);
        assert_eq!(actions(&[embedded.name, &denying]), alone);
    }
    assert!("nowhere".parse::<Choice>().unwrap_err().contains("there is no pack \"nowhere\"; the nearest is "));
    let name = library::packs()[0].name;
    assert!(format!("{name}:block").parse::<Choice>().unwrap_err().contains("expected deny, warn or dryrun"));
}
