//! Every format stays valid, whatever stands in messages, names and files.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use proptest::prelude::*;
use quick_xml::events::Event;
use serde_json::{Value, json};

use super::*;
use crate::manifest::{Position, Source, Span};
use crate::model::object::{FieldPath, GroupVersionKind, ObjectKey};
use crate::workbench::diagnostic::Diagnostic;
use crate::workbench::lint::Judged;
use crate::workbench::lint::finding::{Finding, Place, Precision, Rule};

const NASTY: &str = "</script><img src=x onerror=alert(1)>\"'`|]]>&amp;\r\n::error::x%0A,\u{1b}[31m\u{0}\u{feff}👩‍👩‍👧\u{202e}{0}[a](b) @all";

fn place(file: &str, text: &str, from: (u32, u32), to: (u32, u32)) -> Place {
    let source = Arc::new(Source::new(file, text.to_owned()));
    let position = |(line, column)| Position { line, column };
    let location = source.location(Span { start: position(from), end: position(to) });
    Place { source, location }
}

fn finding(file: &str, words: &str, severity: Severity) -> Finding {
    let place = place(file, &format!("kind: Pod\nname: {words}\n"), (2, 7), (2, 9));
    let rule = Rule {
        id: format!("K8s{words}"),
        constraint: words.to_owned(),
        title: Some(words.to_owned()),
        description: Some(words.to_owned()),
        docs: Some(format!("https://example.com/{words}")),
        severity: Some("high".to_owned()),
        category: Some(words.to_owned()),
    };
    let gvk = GroupVersionKind { group: String::new(), version: "v1".to_owned(), kind: "Pod".to_owned() };
    Finding {
        rule: Arc::new(rule),
        severity,
        message: words.to_owned(),
        object: ObjectKey { gvk, namespace: words.to_owned(), name: words.to_owned() },
        related: vec![place.clone()],
        place,
        precision: Precision::Value,
        field: FieldPath::root().key(words),
        missing: None,
        passing: Some(json!(words)),
        advice: None,
        fix: None,
        implied: Some(words.to_owned()),
        rendered_from: None,
        fingerprint: format!("{severity:?}"),
    }
}

/// A report whose every text is these words, with all severities, precisions, and a broken input.
fn report(file: &str, words: &str) -> Report {
    let mut findings: Vec<Finding> =
        [Severity::Error, Severity::Warning, Severity::Note].map(|severity| finding(file, words, severity)).into();
    findings[1].precision = Precision::Object;
    findings[1].place.location.end_line = 1;
    findings[2].precision = Precision::Enclosing;
    findings[2].missing = Some(FieldPath::root().key(words).index(0));
    findings[2].passing = None;
    let words = words.to_owned();
    let problem = Diagnostic {
        place: format!("{file}:3:4"),
        message: words.clone(),
        excerpt: Some(words.clone()),
        help: Some(words.clone()),
    };
    let judged = findings.iter().map(|one| Judged { object: one.object.clone(), place: one.place.clone() }).collect();
    let rules = findings.iter().map(|finding| Arc::clone(&finding.rule)).take(1).collect();
    Report { findings, problems: vec![problem], rules, objects: 3, judged, ..Report::default() }
}

fn shown(format: Format, report: &Report) -> String {
    let places = Places::new(Path::new("/src"), None);
    let look = Look { is_coloured: false, width: 80, places: &places, fails_from: Severity::Error };
    render(format, report, look)
}

fn parsed(format: Format, report: &Report) -> Value {
    serde_json::from_str(&shown(format, report)).unwrap()
}

/// The elements of a document, each with its attributes; panics when it is not well-formed.
fn xml(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut elements = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) => {
                let attributes = tag.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let key = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
                    let value = String::from_utf8(attribute.value.to_vec()).unwrap();
                    (key, quick_xml::escape::unescape(&value).unwrap().into_owned())
                });
                elements.push((String::from_utf8(tag.name().as_ref().to_vec()).unwrap(), attributes.collect()));
            }
            Event::Eof => return elements,
            _ => {}
        }
    }
}

/// What the standard asks for, beside what a schema can say.
fn check_sarif(sarif: &Value, findings: usize) {
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: std::collections::HashSet<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rules.len(), "a rule stands there twice");
    for rule in rules {
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(!rule[text]["text"].as_str().unwrap().is_empty(), "{text}");
        }
        assert!(rule["properties"]["tags"].as_array().unwrap().len() <= 20);
    }
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), findings);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        let physical = &result["locations"][0]["physicalLocation"];
        let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri}");
        let region = &physical["region"];
        let number = |key: &str| region[key].as_u64();
        assert!(number("startLine").unwrap() >= 1 && number("startColumn").unwrap() >= 1);
        assert!(number("endLine").is_none_or(|end| end >= number("startLine").unwrap()));
    }
}

#[test]
fn sarif_says_where_and_by_which_rule() {
    let mut report = report("a b/ü#.yaml", "words");
    report.findings[2].place = place("/elsewhere/x y.yaml", "a: b\n", (1, 1), (1, 2));
    let sarif = parsed(Format::Sarif, &report);
    check_sarif(&sarif, 3);
    let run = &sarif["runs"][0];
    let rule = &run["tool"]["driver"]["rules"][0];
    assert_eq!((&rule["id"], &rule["helpUri"]), (&json!("K8swords"), &json!("https://example.com/words")));
    assert_eq!(rule["properties"]["security-severity"], "8.0");
    assert_eq!(rule["properties"]["tags"], json!(["kubernetes", "security", "words"]));
    assert_eq!(run["originalUriBaseIds"]["%SRCROOT%"]["uri"], "file:///src/");
    let physical = |index: usize| &run["results"][index]["locations"][0]["physicalLocation"];
    let inside = json!({"uri": "a%20b/%C3%BC%23.yaml", "uriBaseId": "%SRCROOT%"});
    assert_eq!(physical(0)["artifactLocation"], inside);
    assert_eq!(physical(0)["region"], json!({"startLine": 2, "startColumn": 7, "endLine": 2, "endColumn": 9}));
    assert_eq!(
        physical(1)["region"],
        json!({"startLine": 2, "startColumn": 7}),
        "of an object, only its start is known"
    );
    assert_eq!(physical(2)["artifactLocation"], json!({"uri": "file:///elsewhere/x%20y.yaml"}));
    assert_eq!(run["results"][0]["relatedLocations"][0]["physicalLocation"]["artifactLocation"], inside);
    assert_eq!(run["results"][0]["partialFingerprints"], json!({"admit/v1": "Error"}));
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let place = &invocation["toolExecutionNotifications"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["region"], json!({"startLine": 3, "startColumn": 4}));
}

#[test]
fn sarif_leaves_out_what_no_scanner_takes_and_says_so() {
    let notes = |report: &Report| {
        let sarif = parsed(Format::Sarif, report);
        let notes = sarif["runs"][0]["invocations"][0]["toolExecutionNotifications"].as_array().unwrap().clone();
        (sarif, notes.iter().map(|note| note["message"]["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    let mut nameless = report("<stdin>", "words");
    nameless.problems.clear();
    let (sarif, found) = notes(&nameless);
    check_sarif(&sarif, 0);
    assert!(found[0].starts_with("left out 3 findings in standard input"), "{found:?}");

    let mut many = Report { findings: vec![finding("a.yaml", "x", Severity::Note); 25_000], ..Report::default() };
    many.findings.push(finding("z.yaml", "x", Severity::Error));
    let (sarif, found) = notes(&many);
    check_sarif(&sarif, 25_000);
    assert_eq!(sarif["runs"][0]["results"][0]["level"], "error", "the worst stay");
    assert!(found[0].starts_with("left out 1 finding of the least severity"), "{found:?}");
}

#[test]
fn a_rule_says_only_what_its_constraints_agree_on() {
    let mut report = report("a.yaml", "words");
    let mut other = Rule::clone(&report.rules[0]);
    (other.constraint, other.title) = ("other".to_owned(), Some("another title".to_owned()));
    report.rules.push(Arc::new(other));
    let sarif = parsed(Format::Sarif, &report);
    let rule = &sarif["runs"][0]["tool"]["driver"]["rules"][0];
    assert_eq!(rule["shortDescription"]["text"], "Policy K8swords");
    assert_eq!(rule["fullDescription"]["text"], "words");
}

/// `ADMIT_SARIF_VALIDATOR` is a command that takes a file and fails when it does not keep to the standard's schema.
#[test]
#[ignore = "needs a validator, which ADMIT_SARIF_VALIDATOR names"]
fn sarif_keeps_to_the_schema() {
    let validator = std::env::var("ADMIT_SARIF_VALIDATOR").expect("ADMIT_SARIF_VALIDATOR names a validator");
    for (file, words) in [("a.yaml", "words"), ("/x/\u{1}y.yaml", NASTY), ("<stdin>", ""), ("", "\n")] {
        let sarif = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(sarif.path(), shown(Format::Sarif, &report(file, words))).unwrap();
        let output =
            Command::new("sh").args(["-c", &format!("{validator} \"$0\"")]).arg(sarif.path()).output().unwrap();
        assert!(output.status.success(), "{file:?} {words:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn junit_has_a_case_for_each_object() {
    let mut report = report("a.yaml", "words");
    let mut passed = report.judged[0].clone();
    passed.object.name = "fine".to_owned();
    report.judged.push(passed);
    let places = Places::new(Path::new("/src/deploy"), Some(Path::new("/src")));
    let look = Look { is_coloured: false, width: 80, places: &places, fails_from: Severity::Error };
    let text = render(Format::Junit, &report, look);
    let elements = xml(&text);
    let names: Vec<&str> = elements.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["testsuites", "testsuite", "testcase", "error", "testcase", "testcase", "failure", "system-out"];
    assert_eq!(names, expected, "{text}");
    let value = |index: usize, key: &str| {
        elements[index].1.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    assert_eq!((value(1, "tests"), value(1, "failures"), value(1, "errors")), ("3", "1", "1"));
    assert_eq!((value(5, "file"), value(5, "line")), ("deploy/a.yaml", "2"));
    assert_eq!(value(6, "message"), "words");
    let warned = render(Format::Junit, &report, Look { fails_from: Severity::Warning, ..look });
    assert!(warned.contains("words (and 1 more)"), "{warned}");
}

#[test]
fn github_annotates_lines() {
    let report = report("a,b.yaml", "100%: x\ny");
    let text = shown(Format::Github, &report);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    let start = "::error file=a%2Cb.yaml,line=2,endLine=2,col=7,endColumn=8,title=K8s100%25%3A x%0Ay/100%25%3A x%0Ay::100%25: x%0Ay%0A";
    assert!(lines[1].starts_with(start), "{text}");
    assert!(lines[2].starts_with("::warning file=a%2Cb.yaml,line=2,endLine=1,title="), "{text}");
    assert!(lines[3].starts_with("::notice "), "{text}");
}

#[test]
fn gitlab_rates_findings() {
    let report = report("a.yaml", "words");
    let issues = parsed(Format::Gitlab, &report);
    let severities: Vec<&Value> = issues.as_array().unwrap().iter().map(|issue| &issue["severity"]).collect();
    assert_eq!(severities, ["blocker", "critical", "minor", "info"]);
    assert_eq!(issues[1]["location"]["path"], "a.yaml");
    assert_eq!(issues[1]["location"]["lines"]["begin"], 2);
}

/// Tags that words brought in would be among those of the page.
#[test]
fn html_takes_words_for_words() {
    let page = shown(Format::Html, &report(NASTY, NASTY));
    assert_eq!(page.matches("<script>").count(), 1);
    assert_eq!(page.matches("</script>").count(), 1);
    assert!(!page.contains("<img") && !page.contains('\u{1b}') && !page.contains('\0'), "{page}");
    let mut evil = report("a.yaml", "words");
    evil.findings[0].rule = Arc::new(Rule { docs: Some("javascript:alert(1)".to_owned()), ..Rule::default() });
    assert!(!shown(Format::Html, &evil).contains("href=\"javascript"));
}

#[test]
fn html_marks_the_value() {
    let mut one = report("a.yaml", "words");
    one.findings.truncate(1);
    let page = shown(Format::Html, &one);
    assert!(page.contains("name: <mark>wo</mark>rds"), "{page}");
    let long = format!("{}value{}", "a".repeat(5_000), "b".repeat(5_000));
    one.findings[0].place = place("a.yaml", &long, (1, 5_001), (1, 5_006));
    let page = shown(Format::Html, &one);
    assert!(page.contains("aaa<mark>value</mark>bbb") && !page.contains(&"b".repeat(200)), "a long line is cut");
    one.findings[0].place = place("a.yaml", "a: |\n  b\n  c\nd: 1\n", (1, 4), (4, 1));
    let page = shown(Format::Html, &one);
    let marks = page.matches("<mark>").count();
    assert_eq!(marks, 3, "{page}");
}

#[test]
fn a_summary_fits_where_it_is_shown() {
    let findings = (0..6_000).map(|number| finding(&format!("{number}.yaml"), &"x".repeat(60), Severity::Error));
    let report = Report { findings: findings.collect(), ..Report::default() };
    let text = shown(Format::Markdown, &report);
    assert!(text.len() < 1024 * 1024 && text.contains("more files are left out"), "{}", text.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_format_is_valid(words in odd(), file in odd()) {
        let report = report(&file, &words);
        let with_file = if file == "<stdin>" { 0 } else { 3 };
        check_sarif(&parsed(Format::Sarif, &report), with_file);
        prop_assert_eq!(parsed(Format::Json, &report)["findings"].as_array().unwrap().len(), 3);
        prop_assert_eq!(parsed(Format::Gitlab, &report).as_array().unwrap().len(), 4);
        prop_assert!(xml(&shown(Format::Junit, &report)).len() >= 4);
        let github = shown(Format::Github, &report);
        prop_assert_eq!(github.lines().filter(|line| line.starts_with("::")).count(), 4);
        prop_assert_eq!(github.lines().count(), 5);
        // Rows, headings and tags are the format's own: as many with any words as with none.
        let plain = self::report("a.yaml", "words");
        let markdown = shown(Format::Markdown, &report);
        let rows = |text: &str| text.lines().filter(|line| line.starts_with('|')).count();
        prop_assert_eq!(rows(&markdown), rows(&shown(Format::Markdown, &plain)));
        let articles = |text: &str| text.matches("<article").count() + text.matches("<section").count();
        prop_assert_eq!(articles(&shown(Format::Html, &report)), articles(&shown(Format::Html, &plain)));
        let has_escape = shown(Format::Text, &report).contains('\u{1b}');
        prop_assert!(!has_escape);
    }
}

fn odd() -> impl Strategy<Value = String> {
    let pieces = [
        "",
        "<",
        "]]>",
        "--",
        "\u{1b}[31m",
        "\0",
        "\r",
        "\n",
        "\"",
        "'",
        "`",
        "|",
        "é",
        "👩‍👩‍👧",
        "\u{fffe}",
        "%",
        "::",
        ",",
    ];
    let piece = prop_oneof![prop::sample::select(pieces.to_vec()).prop_map(str::to_owned), any::<String>()];
    let words = prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat());
    prop_oneof![words, Just(NASTY.to_owned()), Just("<stdin>".to_owned())]
}
