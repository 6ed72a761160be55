//! Who says what about a policy: our evaluator, regorus, and OPA where it is at hand, which is right by definition.

use std::collections::BTreeMap;
use std::path::Path;

use admit::model::api::RegoVersion;
use admit::policy::engine::rego::query::Policies;
use admit::policy::engine::rego::syntax::ast::RuleKind;
use admit::policy::engine::rego::syntax::parser::parse_module;
use regex::Regex;
use serde_json::Value;

use super::answer::{Answer, compile};
use super::opa::Opa;
use crate::divergence::{is_known_acceptance, is_known_failure, is_known_refusal, known_of_regorus};

/// A module and what it is asked about.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) text: String,
    pub(super) version: RegoVersion,
    pub(super) inputs: Vec<Value>,
    /// Ask for each rule, not only for the package.
    pub(super) each: bool,
}

/// A difference.
#[derive(Debug)]
pub(super) struct Finding {
    /// What kind it is: shrinking keeps it.
    pub(super) name: String,
    pub(super) input: Option<Value>,
    pub(super) details: String,
}

pub(super) struct Judge {
    opa: Option<[Opa; 2]>,
    pub(super) counts: BTreeMap<&'static str, usize>,
}

impl Judge {
    pub(super) fn new(opa: Option<&Path>) -> Self {
        let opa = opa.map(|binary| [RegoVersion::V0, RegoVersion::V1].map(|version| Opa::start(binary, version)));
        Self { opa, counts: BTreeMap::new() }
    }

    pub(super) fn finding(&mut self, subject: &Subject) -> Option<Finding> {
        // OPA 1.10 never ends `split("text", "")`, and takes all memory meanwhile. Its server does not print numbers beyond
        // a float's range.
        let is_beyond_floats = Regex::new("[0-9][eE][+]?[0-9]{3}").unwrap().is_match(&subject.text);
        if self.opa.is_some() && (subject.text.contains("split(") || is_beyond_floats) {
            *self.counts.entry("not asked of OPA").or_default() += 1;
            return None;
        }
        let compiled = compile(&subject.text, subject.version);
        let loaded = self.opa(subject.version).map(|opa| load(opa, &subject.text, compiled.is_ok()));
        let judged_compile = match (&compiled, &loaded) {
            (Err(Answer::Panicked), _) => Some(("compiling panics", String::new())),
            (Err(Answer::Refused(own)), Some(Ok(()))) if !is_known_refusal(&subject.text, own) => {
                Some(("refused, not by OPA", own.clone()))
            }
            (Ok(_), Some(Err(Answer::Refused(opa)))) if !is_known_acceptance(&subject.text, opa) => {
                Some(("accepted, not by OPA", opa.clone()))
            }
            _ => None,
        };
        if let Some((name, details)) = judged_compile {
            return Some(Finding { name: name.to_owned(), input: None, details });
        }
        let (Ok(policies), None | Some(Ok(()))) = (compiled, loaded) else {
            *self.counts.entry("refused").or_default() += 1;
            return None;
        };
        let (package, rules) = paths(&subject.text, subject.version)?;
        if rules.is_empty() {
            return None;
        }
        subject.inputs.iter().find_map(|input| {
            let rules = if subject.each { rules.as_slice() } else { &[] };
            let found = self.compare(&policies, subject, &package, input);
            found.or_else(|| rules.iter().find_map(|rule| self.compare(&policies, subject, rule, input)))
        })
    }

    fn opa(&self, version: RegoVersion) -> Option<&Opa> {
        let [v0, v1] = self.opa.as_ref()?;
        Some(if version == RegoVersion::V0 { v0 } else { v1 })
    }

    fn compare(&mut self, policies: &Policies, subject: &Subject, path: &str, input: &Value) -> Option<Finding> {
        let own = Answer::of_own(policies, path, input);
        let second = Answer::of_regorus(policies, path, input);
        let judge = self.opa(subject.version).map(|opa| opa.ask(path, input));
        // The random order of its type checks, again: loaded, and then refused when it is asked. And `.5` in a policy is
        // nothing that its server can print.
        if judge.as_ref().is_some_and(|judge| {
            judge.is_failure()
                && ["compiler has errors", "invalid number literal"].iter().any(|one| judge.text().contains(one))
        }) {
            *self.counts.entry("not answered by OPA").or_default() += 1;
            return None;
        }
        let right = judge.as_ref().unwrap_or(&second);
        let count = match &own {
            Answer::Value(Value::Object(map)) if map.is_empty() => "empty",
            Answer::Value(_) => "values",
            Answer::Undefined => "undefined",
            _ => "failures",
        };
        *self.counts.entry(count).or_default() += 1;
        if own.is_failure() && !own.is_same(right) && is_known_failure(&subject.text, own.text()) {
            *self.counts.entry("known to fail").or_default() += 1;
            return None;
        }
        let known = if second.lacks_empty_objects(&own) {
            Some("empty objects")
        } else {
            known_of_regorus(&subject.text, second.text())
        };
        let name = match (&judge, own.is_same(right), second.is_same(&own)) {
            (Some(_), false, same) => {
                format!("admit differs from OPA, regorus {}", if same { "too" } else { "not as" })
            }
            (_, _, false) => match known {
                None => "regorus differs".to_owned(),
                Some(reason) => {
                    *self.counts.entry(reason).or_default() += 1;
                    return None;
                }
            },
            _ => return None,
        };
        let name = format!("{name}: {} not {}", own.kind(), right.kind());
        let details = format!("{path}\ninput   {input}\nadmit   {own:?}\nregorus {second:?}\nOPA     {judge:?}");
        Some(Finding { name, input: Some(input.clone()), details })
    }
}

/// OPA checks types in a random order of the rules, and what it knows of one rule may let another one be refused: a policy
/// is refused when it is refused each time, and accepted when it is accepted each time.
fn load(opa: &Opa, text: &str, is_accepted: bool) -> Result<(), Answer> {
    let mut last = opa.load(text);
    for _ in 0..8 {
        let is_of_types = matches!(&last, Err(Answer::Refused(text)) if text.contains("rego_type_error"));
        if last.is_ok() == is_accepted || !(is_of_types || last.is_ok()) {
            break;
        }
        last = opa.load(text);
    }
    last
}

/// The paths of the package and of its rules.
fn paths(text: &str, version: RegoVersion) -> Option<(String, Vec<String>)> {
    let module = parse_module("m", text, version).ok()?;
    let is_plain = |name: &&String| name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_');
    let package = module.package.path.join("/");
    let mut rules: Vec<String> = module
        .rules
        .iter()
        .filter(|rule| rule.head.kind != RuleKind::Function)
        .filter_map(|rule| rule.head.path.first().filter(is_plain).map(|name| format!("{package}/{name}")))
        .collect();
    rules.sort();
    rules.dedup();
    module.package.path.iter().all(|name| is_plain(&name)).then_some((package, rules))
}
