//! One source to its documents: [`parse`].

use std::sync::Arc;

use super::document::Document;
use super::error::{Fault, ManifestError};
use super::source::{Position, Source};
use super::spans::Spans;
use super::split::{Segment, split};
use super::tree::Parsed;
use super::{json, yaml};

/// All documents of a YAML or JSON text, in order, and everything that is wrong with the others.
///
/// Documents without content are skipped, so an empty text has no documents and no errors. A broken document does not
/// hide its neighbours. `List` objects are documents like any other here; see [`super::flatten`].
pub fn parse(source: &Arc<Source>) -> (Vec<Document>, Vec<ManifestError>) {
    parse_keeping(source, |_| true)
}

/// The same for documents of which nobody may ever ask where their parts stand: that is found out again then. Of what may
/// be a list, the places of its items are needed.
pub(super) fn parse_values(source: &Arc<Source>) -> (Vec<Document>, Vec<ManifestError>) {
    parse_keeping(source, |segment| segment.text.contains("List"))
}

fn parse_keeping(
    source: &Arc<Source>,
    keeps_places: impl Fn(&Segment<'_>) -> bool,
) -> (Vec<Document>, Vec<ManifestError>) {
    let (mut documents, mut errors) = (Vec::new(), Vec::new());
    for segment in split(source.text()) {
        match read_segment(&segment, source, keeps_places(&segment)) {
            Ok(parsed) => {
                documents.extend(parsed.into_iter().enumerate().map(|(index, parsed)| {
                    let Parsed { value, position, repeats_keys, places } = parsed;
                    let spans = Spans::new(&segment, index, places);
                    Document::new(Arc::clone(source), (position, repeats_keys), value, spans)
                }));
            }
            Err(faults) => errors.extend(faults.into_iter().map(|fault| fault.in_source(source))),
        }
    }
    (documents, errors)
}

/// JSON if it can be, else YAML, as `kubectl` decides; when it is neither, the errors of what it was meant to be.
pub(super) fn read_segment(
    segment: &Segment<'_>,
    source: &Source,
    keeps_places: bool,
) -> Result<Vec<Parsed>, Vec<Fault>> {
    let (body, skipped) = segment.body();
    if body.trim().is_empty() {
        return Ok(Vec::new());
    }
    if !body.trim_start().starts_with(['{', '[']) {
        return yaml::read(segment, keeps_places);
    }
    let start = Position { line: segment.lines_above.saturating_add(1), column: 1 };
    let start = start.after(segment.text.get(..skipped).unwrap_or_default());
    match json::read(body, start, keeps_places) {
        Ok(values) => Ok(values),
        Err(fault) if source.name().ends_with(".json") || looks_like_json(body) => {
            yaml::read(segment, keeps_places).map_err(|_| vec![fault])
        }
        Err(_) => yaml::read(segment, keeps_places),
    }
}

/// Whether the first key is in double quotes, which hardly anybody does in YAML.
fn looks_like_json(text: &str) -> bool {
    text.trim_start().trim_start_matches(['{', '[']).trim_start().starts_with('"')
}

#[cfg(test)]
mod tests {
    use std::thread;

    use serde_json::{Value, json};

    use super::*;
    use crate::manifest::ManifestError;
    use crate::model::object::FieldPath;

    fn run(name: &str, text: &str) -> (Vec<Document>, Vec<ManifestError>) {
        parse(&Arc::new(Source::new(name, text.to_owned())))
    }

    /// Every document as position and content, every error as its display text.
    #[track_caller]
    fn check(text: &str, documents: &[(&str, Value)], errors: &[&str]) {
        let (found, problems) = run("f", text);
        let found: Vec<_> = found.into_iter().map(|it| (it.position().to_string(), it.into_value())).collect();
        let documents: Vec<_> = documents.iter().map(|(place, value)| ((*place).to_owned(), value.clone())).collect();
        assert_eq!(found, documents, "{text:?}");
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), errors, "{text:?}");
    }

    #[test]
    fn skips_documents_without_content() {
        for text in ["", "\n", "# only a comment", "---\n---\n", "~", "---\nnull\n...\n", "--- # c\n"] {
            check(text, &[], &[]);
        }
        check("---\n# c\n\na: 1\n---\n---\nb: 2", &[("4:1", json!({"a": 1})), ("7:1", json!({"b": 2}))], &[]);
    }

    #[test]
    fn reads_json_with_tabs_one_value_after_another() {
        check("{\"a\":\t1}\n\t{\"b\": [\n\t\t2]}", &[("1:1", json!({"a": 1})), ("2:2", json!({"b": [2]}))], &[]);
        check(
            "{\"<<\": \"\\ud83d\\ude00\\ud800\", \"yes\": 1.0}",
            &[("1:1", json!({"<<": "😀\u{fffd}", "yes": 1}))],
            &[],
        );
        check("--- {\"a\": 1}\n---\n{a: yes}", &[("1:5", json!({"a": 1})), ("3:1", json!({"a": true}))], &[]);
        check("{\"a\": 1,}", &[("1:1", json!({"a": 1}))], &[]);
        check("{\"a\": 1 \"b\": 2}", &[], &["f:1:9: expected `,` or `}`, found '\"'"]);
        check(
            "{\"a\": \"b\n",
            &[],
            &["f:1:9: a JSON string ends on its line, found a line end or control character in it"],
        );
    }

    #[test]
    fn places_that_are_not_kept_are_found_again() {
        for text in [
            "a: &a {b: [1, 2]}\nc: *a\n---\n# c\n\nd: |\n  x\n",
            "a: 1\nb: {c: 1, c: 2}\na: 2",
            "a: &a {b: 1}\nc:\n  <<: *a\n  b: 2",
            "a: &a {b: 1}\nc:\n  !!merge \"\\x3c<\": *a\n",
            "{\"a\": 1, \"a\": [2]} {\"b\": null}",
            "kind: List\nitems: [{a: 1}, {a: 2}]",
            "a: &a [*a]",
            "a: 1\n---\nb: \"x",
        ] {
            let source = Arc::new(Source::new("f", text.to_owned()));
            let ((documents, errors), (values, mistakes)) = (parse(&source), parse_values(&source));
            assert_eq!(errors, mistakes, "{text:?}");
            assert_eq!(documents.len(), values.len(), "{text:?}");
            for (one, other) in documents.iter().zip(&values) {
                assert_eq!((one.value(), one.position()), (other.value(), other.position()), "{text:?}");
                assert_eq!(one.repeats_keys(), other.repeats_keys(), "{text:?}");
                assert_eq!(one.repeated_keys(), other.repeated_keys(), "{text:?}");
                for path in ["a", "b", "c", "d", "items"].map(|key| FieldPath::root().key(key)) {
                    assert_eq!(one.locate(&path), other.locate(&path), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn a_broken_document_does_not_hide_its_neighbours() {
        check(
            "a: 1\n---\nb: \"x\n---\nc: [\n---\nd: {{ .Values.d }}\n---\ne: 1\n",
            &[("1:1", json!({"a": 1})), ("9:1", json!({"e": 1}))],
            &[
                "f:4:1: found the end of the document inside quotes",
                "f:5:4: `[` is opened and never closed",
                "f:7:5: found `{{`, which YAML reads as a mapping whose key is a mapping",
            ],
        );
    }

    #[test]
    fn mistakes_have_places_and_words() {
        for (text, error) in [
            ("a:\n\tb: 1", "f:2:1: found a tab where only spaces may indent"),
            ("a: b: c", "f:1:5: found `: ` where no mapping can start"),
            ("a: *b", "f:1:4: alias `*b` repeats an anchor that this document does not define"),
            ("a: &b [*b]", "f:1:8: this alias stands inside the value that it repeats"),
            ("a: \u{1}", "f:1:4: found the control character U+0001, which YAML does not allow"),
            ("~: 1", "f:1:1: a key must be a string, found null"),
            ("? [a]\n: 1", "f:1:3: a key must be a string, found a list or mapping"),
            ("<<: 1", "f:1:5: a merge key (`<<`) takes a mapping or a list of mappings, found something else"),
            ("a: !!int x", "f:1:10: \"x\" is not a value of type !!int"),
            ("a: @x", "f:1:4: no value can start with '@'"),
        ] {
            check(text, &[], &[error]);
        }
        let (_, errors) = run("f", "a: .inf\nb: .nan\n");
        assert_eq!(
            errors.iter().filter_map(|error| error.span).map(|span| span.start.line).collect::<Vec<_>>(),
            [1, 2]
        );
    }

    #[test]
    fn merges_and_repeats_as_kubectl_does() {
        check(
            "a: &a {x: 1, k: 1}\nb: {<<: *a, k: 2}\nc: {k: 2, <<: *a}\nd: {<<: [*a, {x: 2, z: 2}]}\ne: 1\ne: 2\n",
            &[(
                "1:1",
                json!({
                    "a": {"x": 1, "k": 1},
                    "b": {"x": 1, "k": 2},
                    "c": {"x": 1, "k": 1},
                    "d": {"x": 1, "k": 1, "z": 2},
                    "e": 2
                }),
            )],
            &[],
        );
        check(
            "? &k a\n: *k\n*k : 2\n? !!str\n: &e\n\"<<\": *e",
            &[("1:1", json!({"a": 2, "": null, "<<": null}))],
            &[],
        );
    }

    #[test]
    fn bounds_hold_in_a_small_stack() {
        let laugh = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
            let below = vec![format!("*a{}", level - 1); 9].join(", ");
            format!("{text}a{level}: &a{level} [{below}]\n")
        });
        let tower =
            (1..1_100).fold("- &a0 []\n".to_owned(), |text, level| format!("{text}- &a{level} [*a{}]\n", level - 1));
        let stairs = (0..2_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>();
        let bad = [
            laugh,
            tower,
            stairs,
            "[".repeat(10_000),
            format!("a: {}", "{a: ".repeat(10_000)),
            "{\"a\":".repeat(10_000),
        ];
        let deepest = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        let aliases = format!("a: &a {{x: 1}}\nb:\n{}", "- *a\n".repeat(10_000));
        let check = thread::Builder::new().stack_size(2 << 20).spawn(move || {
            for text in &bad {
                let (documents, errors) = run("f", text);
                assert_eq!((documents.len(), errors.len()), (0, 1));
            }
            for text in [deepest, aliases] {
                let (documents, errors) = run("f", &text);
                assert_eq!((documents.len(), errors.len()), (1, 0));
                let copies: Vec<_> = documents.iter().map(|it| it.value().clone()).collect();
                assert_eq!(documents.first().map(Document::value), copies.first());
                assert!(!copies.iter().map(ToString::to_string).collect::<String>().is_empty());
            }
        });
        check.unwrap().join().unwrap();
    }

    /// Deterministic nonsense: whatever comes in, nothing panics and every place is inside the text.
    #[test]
    fn survives_mutations() {
        const SAMPLE: &str = "# c\na: &x {b: [1, 'é'], \"c\": !!str 2}\nd: |-\n\n  r\n   s\ne: >\n  f\n\
             ---\n<<: *x\n? k\n: - 1\n  - y: \"z\\u00e9\"\n";
        const BITS: [&str; 24] = [
            "---\n", "...\n", ": ", "- ", "\t", "\r", "\"", "'", "[", "]", "{", "}", "&x ", "*x", "|", ">2", " #", "%",
            "!", "@", "\\", "\u{feff}", "\0", "? ",
        ];
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        for _ in 0..3_000 {
            let mut text: Vec<char> = SAMPLE.chars().collect();
            for _ in 0..=random(5) {
                let start = random(text.len());
                let end = (start + random(6)).min(text.len());
                text.splice(start..end, BITS[random(BITS.len())].chars());
            }
            let source = Arc::new(Source::new("f", text.into_iter().collect()));
            let (documents, errors) = parse(&source);
            let places = documents
                .iter()
                .map(Document::position)
                .chain(errors.iter().filter_map(|error| error.span).map(|span| span.start));
            for place in places {
                let line = source.line(place.line).map(|line| line.chars().count());
                assert!(
                    line.is_some_and(|length| place.column as usize <= length + 2),
                    "{place} in {:?}",
                    source.text()
                );
            }
        }
    }
}
