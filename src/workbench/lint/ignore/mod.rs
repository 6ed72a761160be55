//! Findings that comments ask to leave out, and what is wrong with those comments.
//!
//! ```text
//! comments, annotations ─ directive ─► Ignores ─ apply ─► findings that stay + findings about the comments
//! ```
//!
//! A comment that is not understood, has no reason or has expired leaves nothing out: a mistake in it never hides a
//! violation. Files without anything in JSON or that are generated use the annotation [`ANNOTATION`], one request a line.

mod directive;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::civil::Date;

use super::finding::{Finding, Place, Precision, Rule, Severity};
use super::manifest::Manifest;
use crate::manifest::{Location, Source, Subject, comments};
use crate::model::object::{FieldPath, Object, ObjectKey};
use crate::workbench::bundle::BundledObject;

use directive::Directive;

/// An annotation with the words of a comment; it is about its object.
const ANNOTATION: &str = "admit.gatekeeper.sh/ignore";

const MALFORMED: Code = Code("ignore-malformed", "Comments for admit must be understood", Severity::Warning);
const WITHOUT_REASON: Code = Code("ignore-without-reason", "What is ignored has a reason", Severity::Warning);
const EXPIRED: Code = Code("ignore-expired", "What is ignored for a time is mended by then", Severity::Warning);
const UNKNOWN_RULE: Code = Code("ignore-unknown-rule", "Rules that are ignored exist", Severity::Note);
const UNUSED: Code = Code("ignore-unused", "Comments ignore something", Severity::Note);
const CODES: [&Code; 5] = [&MALFORMED, &WITHOUT_REASON, &EXPIRED, &UNKNOWN_RULE, &UNUSED];

/// A rule about comments: its code, a few words, and how bad it is.
#[derive(Debug)]
struct Code(&'static str, &'static str, Severity);

/// All requests to leave findings out.
#[derive(Debug, Default)]
pub(super) struct Ignores(Vec<Ignore>);

#[derive(Debug)]
struct Ignore {
    asked: Result<Directive, String>,
    place: Place,
    covers: Covers,
    /// The object that it stands in or above.
    object: ObjectKey,
}

#[derive(Debug)]
enum Covers {
    Line(u32),
    Part(Location),
    Nothing,
}

impl Ignores {
    /// Those in the texts and annotations of all objects.
    pub(super) fn of(objects: &[Manifest]) -> Self {
        let mut by_source: HashMap<*const Source, Vec<&Manifest>> = HashMap::new();
        let mut sources: Vec<&Arc<Source>> = Vec::new();
        for object in objects {
            let same = by_source.entry(Arc::as_ptr(object.source())).or_default();
            if same.is_empty() {
                sources.push(object.source());
            }
            same.push(object);
        }
        let mut all = Vec::new();
        for source in sources {
            let objects = by_source.get(&Arc::as_ptr(source)).map(Vec::as_slice).unwrap_or_default();
            all.extend(of_source(source, objects));
            all.extend(objects.iter().filter_map(|object| object.whole()).flat_map(of_annotation));
        }
        Self(all)
    }

    /// Files in which places matter, because a comment is about one.
    pub(super) fn files(&self) -> HashSet<Arc<str>> {
        self.0.iter().map(|one| Arc::clone(&one.place.location.file)).collect()
    }

    /// Takes out what is asked for, and says how many that were; returns findings about the requests themselves.
    pub(super) fn apply(&self, findings: &mut Vec<Finding>, rules: &[Arc<Rule>], today: Date) -> (usize, Vec<Finding>) {
        let known = known_names(rules, findings);
        let before = findings.len();
        let mut ignored = vec![false; before];
        let mut told = Vec::new();
        for one in &self.0 {
            one.judge(findings, &mut ignored, &known, today, &mut told);
        }
        let mut ignored = ignored.into_iter();
        findings.retain(|_| !ignored.next().unwrap_or_default());
        (before - findings.len(), told)
    }
}

impl Ignore {
    fn judge(
        &self,
        findings: &[Finding],
        ignored: &mut [bool],
        known: &BTreeSet<String>,
        today: Date,
        told: &mut Vec<Finding>,
    ) {
        let asked = match &self.asked {
            Ok(asked) => asked,
            Err(message) => return told.push(self.finding(&MALFORMED, message.clone())),
        };
        if asked.reason.is_none() {
            let message = "this ignores nothing, because it gives no reason; add `reason=` and a few words";
            return told.push(self.finding(&WITHOUT_REASON, message.to_owned()));
        }
        let expired = asked.until.filter(|until| *until < today);
        let (mut met, mut unused) = (0, Vec::new());
        for name in &asked.rules {
            let meets = |finding: &Finding| is_named(&finding.rule, name) && self.covers(&finding.place.location);
            let found: Vec<usize> =
                findings.iter().enumerate().filter(|(_, one)| meets(one)).map(|(index, _)| index).collect();
            met += found.len();
            if !known.contains(name) {
                told.push(self.finding(&UNKNOWN_RULE, unknown(name, known)));
            } else if found.is_empty() {
                unused.push(name.as_str());
            } else if expired.is_none() {
                found.iter().filter_map(|index| ignored.get_mut(*index).map(|slot| *slot = true)).for_each(drop);
            }
        }
        if let Some(until) = expired.filter(|_| met > 0) {
            let message =
                format!("this ignores nothing since {until} is past; mend what it was about, or set a new day");
            told.push(self.finding(&EXPIRED, message));
        } else if !unused.is_empty() {
            told.push(self.finding(&UNUSED, self.unused(&unused)));
        }
    }

    fn unused(&self, rules: &[&str]) -> String {
        let rules = rules.join(", ");
        match self.covers {
            Covers::Nothing => format!(
                "this ignores nothing, because no field or list item follows on the next line at its depth: {rules}"
            ),
            Covers::Line(_) | Covers::Part(_) => format!("nothing is found here that this ignores, remove it: {rules}"),
        }
    }

    fn covers(&self, location: &Location) -> bool {
        let place = (location.line, location.column);
        location.file == self.place.location.file
            && match &self.covers {
                Covers::Line(line) => location.line == *line,
                Covers::Part(part) => (part.line, part.column) <= place && place <= (part.end_line, part.end_column),
                Covers::Nothing => false,
            }
    }

    fn finding(&self, code: &Code, message: String) -> Finding {
        let Code(id, title, severity) = code;
        Finding {
            rule: Arc::new(Rule { id: (*id).to_owned(), title: Some((*title).to_owned()), ..Rule::default() }),
            severity: *severity,
            message,
            object: self.object.clone(),
            place: self.place.clone(),
            precision: Precision::Value,
            field: FieldPath::root(),
            missing: None,
            passing: None,
            advice: None,
            fix: None,
            related: Vec::new(),
            implied: None,
            rendered_from: None,
            fingerprint: String::new(),
        }
    }
}

fn of_source(source: &Arc<Source>, objects: &[&Manifest]) -> Vec<Ignore> {
    let ignore = |comment: crate::manifest::Comment| {
        let asked = directive::of_comment(&comment.text)?;
        let line = comment.location.line;
        let (covers, first) = match comment.subject {
            Subject::Line => (Covers::Line(line), line),
            Subject::Part(part) => (Covers::Part(part.clone()), part.line),
            Subject::Nothing => (Covers::Nothing, line),
        };
        let is_above = |object: &&&Manifest| object.position().line <= first;
        let object = objects.iter().rfind(is_above).or_else(|| objects.first())?.key();
        Some(Ignore { asked, place: Place { source: Arc::clone(source), location: comment.location }, covers, object })
    };
    comments(source, directive::MARK).into_iter().filter_map(ignore).collect()
}

/// Whether an object itself asks for something.
pub(super) fn is_annotated(object: &Object) -> bool {
    object.annotations().value(ANNOTATION).is_some()
}

fn of_annotation(object: &BundledObject) -> Vec<Ignore> {
    let Some(text) = object.object.annotations().value(ANNOTATION) else { return Vec::new() };
    let path = FieldPath::from(["metadata", "annotations", ANNOTATION]);
    let document = &object.document;
    let ignore = |line: &str| Ignore {
        asked: directive::parse(&format!(" {line}")),
        place: Place::of(document, document.locate(&path).location),
        covers: Covers::Part(document.locate(&FieldPath::root()).location),
        object: object.object.key(),
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(ignore).collect()
}

fn is_named(rule: &Rule, name: &str) -> bool {
    let full = name.split_once('/').is_some_and(|(kind, constraint)| rule.id == kind && rule.constraint == constraint);
    name == "*" || rule.id == name || full
}

fn known_names(rules: &[Arc<Rule>], findings: &[Finding]) -> BTreeSet<String> {
    let mut known: BTreeSet<String> = CODES.iter().map(|code| code.0.to_owned()).collect();
    known.insert("*".to_owned());
    for rule in rules.iter().chain(findings.iter().map(|finding| &finding.rule)) {
        known.insert(rule.id.clone());
        if !rule.constraint.is_empty() {
            known.insert(format!("{}/{}", rule.id, rule.constraint));
        }
    }
    known
}

fn unknown(name: &str, known: &BTreeSet<String>) -> String {
    let lower = name.to_lowercase();
    let distance = |one: &&String| strsim::damerau_levenshtein(&lower, &one.to_lowercase());
    let nearest = known.iter().filter(|one| *one != "*").min_by_key(distance);
    let nearest = nearest.filter(|one| distance(one) <= name.chars().count().div_ceil(2));
    let help = nearest.map_or_else(|| "no rule in force is called so".to_owned(), |one| format!("did you mean {one}?"));
    format!("found the rule {name:?}, {help}")
}
