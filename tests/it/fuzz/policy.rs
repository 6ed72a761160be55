//! Well-formed policies: rules of every kind that refer to each other without recursion. One expression stands on a line,
//! so that shrinking by lines goes far.

use admit::model::api::RegoVersion;

use super::random::Random;
use super::terms::Scope;

/// A rule as others may use it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Complete,
    Set,
    Object,
    /// With so many arguments.
    Function(usize),
}

/// A module of package `t`.
pub(super) fn module(random: &mut Random, version: RegoVersion) -> String {
    let mut text = match version {
        RegoVersion::V0 => "package t\nimport future.keywords\n".to_owned(),
        RegoVersion::V1 => "package t\n".to_owned(),
    };
    // Names in any order, so that a rule is met before or after those that it needs.
    let mut names: Vec<usize> = (0..3 + random.below(5)).collect();
    random.shuffle(&mut names);
    let mut known: Vec<Known> = Vec::new();
    let mut rules: Vec<String> = Vec::new();
    for number in names {
        let kind = match random.below(10) {
            0..=3 => Kind::Complete,
            4..=5 => Kind::Set,
            6..=7 => Kind::Object,
            _ => Kind::Function(1 + random.below(2)),
        };
        let name = if matches!(kind, Kind::Function(_)) { format!("f{number}") } else { format!("r{number}") };
        let known_rule = Known { name, kind };
        rules.push(rule(random, version, &known_rule, &known));
        known.push(known_rule);
    }
    random.shuffle(&mut rules);
    text.push_str(&rules.concat());
    text
}

/// All clauses of a rule.
fn rule(random: &mut Random, version: RegoVersion, rule: &Known, known: &[Known]) -> String {
    let mut text = String::new();
    let clauses = 1 + random.below(3);
    let constant = Scope::constant(random, 1);
    match rule.kind {
        Kind::Complete if random.percent(30) => text += &format!("default {} := {constant}\n", rule.name),
        Kind::Function(arity) if random.percent(15) => {
            text += &format!("default {}({}) := {constant}\n", rule.name, vec!["_"; arity].join(", "));
        }
        _ => {}
    }
    // Clauses that say the same value do not contradict each other.
    let shared = random.percent(60).then(|| Scope::constant(random, 1));
    for _ in 0..clauses {
        text += &clause(random, version, rule, known, shared.as_deref());
    }
    text
}

fn clause(random: &mut Random, version: RegoVersion, rule: &Known, known: &[Known], shared: Option<&str>) -> String {
    let mut scope = Scope::new(random, version, known);
    let mut arguments = Vec::new();
    if let Kind::Function(arity) = rule.kind {
        for _ in 0..arity {
            let argument = scope.argument();
            arguments.push(argument);
        }
    }
    let body = scope.body(1, 4);
    scope.has_wildcards = false;
    let value = shared.map_or_else(|| scope.term(2), str::to_owned);
    let is_v0_style = version == RegoVersion::V0 && scope.random.percent(40);
    let condition = if is_v0_style { "" } else { " if" };
    let mut text = match rule.kind {
        Kind::Complete => format!("{} := {value}{condition} {{\n{body}}}", rule.name),
        Kind::Set if is_v0_style => format!("{}[{}]{{\n{body}}}", rule.name, scope.term(2)),
        Kind::Set => format!("{} contains {}{condition} {{\n{body}}}", rule.name, scope.term(2)),
        Kind::Object => format!("{}[{}] := {value}{condition} {{\n{body}}}", rule.name, scope.key()),
        Kind::Function(_) => format!("{}({}) := {value}{condition} {{\n{body}}}", rule.name, arguments.join(", ")),
    };
    let may_branch = matches!(rule.kind, Kind::Complete | Kind::Function(_));
    while may_branch && scope.random.percent(30) {
        scope.variables.truncate(scope.arguments);
        scope.has_wildcards = true;
        let body = scope.body(1, 3);
        scope.has_wildcards = false;
        let value = scope.term(1);
        text += &format!(" else := {value}{condition} {{\n{body}}}");
    }
    text + "\n"
}
