//! Bodies, expressions and terms of the generated policies.

use admit::model::api::RegoVersion;

use super::policy::{Kind, Known};
use super::random::Random;
use super::values::KEYS;

/// Builtins by the number of their arguments, most of them wrong for the types that they will get.
const CALLS: [(&str, usize); 72] = [
    ("abs", 1),
    ("array.concat", 2),
    ("array.reverse", 1),
    ("array.slice", 3),
    ("base64.encode", 1),
    ("bits.and", 2),
    ("ceil", 1),
    ("concat", 2),
    ("contains", 2),
    ("count", 1),
    ("endswith", 2),
    ("floor", 1),
    ("format_int", 2),
    ("glob.match", 3),
    ("graph.reachable", 2),
    ("indexof", 2),
    ("indexof_n", 2),
    ("intersection", 1),
    ("is_array", 1),
    ("is_boolean", 1),
    ("is_null", 1),
    ("is_number", 1),
    ("is_object", 1),
    ("is_set", 1),
    ("is_string", 1),
    ("json.filter", 2),
    ("json.is_valid", 1),
    ("json.marshal", 1),
    ("json.patch", 2),
    ("json.remove", 2),
    ("json.unmarshal", 1),
    ("lower", 1),
    ("max", 1),
    ("min", 1),
    ("numbers.range", 2),
    ("object.filter", 2),
    ("object.get", 3),
    ("object.keys", 1),
    ("object.remove", 2),
    ("object.subset", 2),
    ("object.union", 2),
    ("object.union_n", 1),
    ("product", 1),
    ("regex.find_n", 3),
    ("regex.is_valid", 1),
    ("regex.match", 2),
    ("regex.replace", 3),
    ("regex.split", 2),
    ("replace", 3),
    ("round", 1),
    ("semver.compare", 2),
    ("semver.is_valid", 1),
    ("sort", 1),
    ("split", 2),
    ("sprintf", 2),
    ("startswith", 2),
    ("strings.any_prefix_match", 2),
    ("strings.replace_n", 2),
    ("strings.reverse", 1),
    ("substring", 3),
    ("sum", 1),
    ("to_number", 1),
    ("trim", 2),
    ("trim_left", 2),
    ("trim_prefix", 2),
    ("trim_space", 1),
    ("type_name", 1),
    ("union", 1),
    ("units.parse", 1),
    ("units.parse_bytes", 1),
    ("upper", 1),
    ("yaml.marshal", 1),
];

/// What may be named where a term or an expression stands.
pub(super) struct Scope<'s> {
    pub(super) random: &'s mut Random,
    version: RegoVersion,
    known: &'s [Known],
    /// Bound variables.
    pub(super) variables: Vec<String>,
    /// How many of them are arguments of the function.
    pub(super) arguments: usize,
    fresh: usize,
    /// Whether `[_]` may stand here: not in heads.
    pub(super) has_wildcards: bool,
    /// Declared with `some` and not used yet, as far as anybody looked.
    declared: Vec<String>,
}

impl<'s> Scope<'s> {
    pub(super) fn new(random: &'s mut Random, version: RegoVersion, known: &'s [Known]) -> Self {
        Self {
            random,
            version,
            known,
            variables: Vec::new(),
            arguments: 0,
            fresh: 0,
            has_wildcards: true,
            declared: Vec::new(),
        }
    }

    fn fresh(&mut self) -> String {
        self.fresh += 1;
        format!("v{}", self.fresh)
    }

    /// An argument in a function's head.
    pub(super) fn argument(&mut self) -> String {
        let text = match self.random.below(10) {
            0 => "_".to_owned(),
            1 => Self::constant(self.random, 1),
            2 => {
                let (one, other) = (self.fresh(), self.fresh());
                self.variables.extend([one.clone(), other.clone()]);
                format!("[{one}, {other}]")
            }
            _ => {
                let name = self.fresh();
                self.variables.push(name.clone());
                name
            }
        };
        self.arguments = self.variables.len();
        text
    }

    /// Expressions, each on its line.
    pub(super) fn body(&mut self, least: usize, most: usize) -> String {
        let count = least + self.random.below(most - least + 1);
        let since = self.declared.len();
        let mut lines: String = (0..count).map(|_| format!("{}\n", self.expression(2))).collect();
        if let Some(uses) = self.use_declared(since, &lines) {
            lines += &format!("{uses}\n");
        }
        lines
    }

    /// Expressions that bind nothing for those behind.
    fn inner_body(&mut self, depth: usize) -> String {
        let bound = self.variables.len();
        let text = self.joined(depth);
        self.variables.truncate(bound);
        text
    }

    /// One or two expressions on a line.
    fn joined(&mut self, depth: usize) -> String {
        let count = 1 + self.random.below(2);
        let since = self.declared.len();
        let mut parts: Vec<String> = (0..count).map(|_| self.expression(depth).replace('\n', "; ")).collect();
        parts.extend(self.use_declared(since, &parts.join("; ")));
        parts.join("; ")
    }

    fn expression(&mut self, depth: usize) -> String {
        match self.random.below(24) {
            0..=3 => {
                let term = self.term(depth);
                format!("{} := {term}", self.bind())
            }
            4..=6 => {
                let domain = self.collection(depth);
                match self.random.below(3) {
                    0 => format!("some {} in {domain}", self.declare()),
                    1 => format!("some {}, {} in {domain}", self.declare(), self.declare()),
                    _ => format!("some {}, {} in {domain}", Self::constant(self.random, 0), self.declare()),
                }
            }
            7..=9 => {
                let (left, right) = (self.term(depth), self.term(depth));
                let operator = *self.random.pick(&["==", "!=", "<", "<=", ">", ">="]);
                format!("{left} {operator} {right}")
            }
            10 => {
                let right = self.term(depth);
                format!("{} = {right}", self.pattern(depth))
            }
            11..=12 if depth > 0 => {
                let bound = self.variables.len();
                let had_wildcards = std::mem::replace(&mut self.has_wildcards, false);
                let inner = self.simple(depth - 1);
                self.has_wildcards = had_wildcards;
                self.variables.truncate(bound);
                format!("not {inner}")
            }
            13 if depth > 0 => {
                let domain = self.collection(depth);
                let (bound, since) = (self.variables.len(), self.declared.len());
                let two = self.random.percent(50);
                let names = if two { format!("{}, {}", self.declare(), self.declare()) } else { self.declare() };
                let mut body = self.inner_body(depth - 1);
                if let Some(uses) = self.use_declared(since, &format!("{names} {body}")) {
                    body = format!("{uses}; {body}");
                }
                self.variables.truncate(bound);
                format!("every {names} in {domain} {{ {body} }}")
            }
            14 => {
                let name = self.fresh();
                let domain = self.collection(0);
                self.variables.push(name.clone());
                if self.random.percent(50) {
                    format!("some {name}\n{domain}[{name}]")
                } else {
                    format!("some {name}; {} := {domain}[{name}]", self.bind())
                }
            }
            15 => format!("{} in {}", self.term(depth), self.collection(depth)),
            16 => format!("{}, {} in {}", self.term(0), self.term(0), self.collection(depth)),
            17 => format!("{}[_] = {}", self.collection(0), self.pattern(depth)),
            18 => format!("walk({}, [{}, {}])", self.term(0), self.bind(), self.bind()),
            19..=20 => self.with(depth),
            _ => self.simple(depth),
        }
    }

    /// Holds or not, and binds nothing.
    fn simple(&mut self, depth: usize) -> String {
        match self.random.below(8) {
            0 => format!("{} == {}", self.term(depth), self.term(depth)),
            1 => format!("{} > {}", self.term(depth), self.term(depth)),
            2 => format!("{} in {}", self.term(depth), self.collection(depth)),
            3 => self.call(depth),
            4 => self.with(0),
            5 if self.has_wildcards => format!("{}[_] == {}", self.collection(0), self.term(0)),
            _ => self.reference(),
        }
    }

    fn with(&mut self, depth: usize) -> String {
        let target = match (self.random.below(5), self.rule(&[Kind::Complete, Kind::Set, Kind::Object])) {
            (0, _) | (_, None) => "input".to_owned(),
            (1, _) => "data.extra".to_owned(),
            (2, Some(rule)) => format!("data.t.{rule}"),
            _ => format!("input.{}", self.random.pick(&["a", "b", "c", "items"])),
        };
        let value = self.term(1);
        let what = match self.rule(&[Kind::Complete, Kind::Set, Kind::Object]) {
            Some(rule) if self.random.percent(50) => rule,
            _ => self.reference(),
        };
        let other = if self.random.percent(25) { format!(" with input.b as {}", self.term(0)) } else { String::new() };
        if self.random.percent(50) && depth > 0 {
            let text = format!(":= {what} with {target} as {value}{other}");
            format!("{} {text}", self.bind())
        } else {
            format!("{what} with {target} as {value}{other}")
        }
    }

    /// A variable that has to be used.
    fn declare(&mut self) -> String {
        let name = self.bind();
        self.declared.push(name.clone());
        name
    }

    /// An expression that uses what was declared since then.
    fn use_declared(&mut self, since: usize, before: &str) -> Option<String> {
        let unused: Vec<String> = self.declared.split_off(since);
        let is_unused =
            |name: &String| before.split(|one: char| !one.is_alphanumeric()).filter(|word| word == name).count() < 2;
        let unused: Vec<String> = unused.into_iter().filter(is_unused).collect();
        (!unused.is_empty()).then(|| format!("[{}] != null", unused.join(", ")))
    }

    fn bind(&mut self) -> String {
        let name = self.fresh();
        self.variables.push(name.clone());
        name
    }

    /// Something that a value is taken apart with; `_` stands where nothing is to be bound.
    fn pattern(&mut self, depth: usize) -> String {
        match self.random.below(6) {
            0 => format!("[_, {}]", self.variable()),
            1 => format!("{{\"a\": {}}}", self.variable()),
            2 => format!("[{}, _]", self.term(0)),
            3 => format!("{{\"a\": _, \"b\": {}}}", self.term(0)),
            4 => "[_, _]".to_owned(),
            _ => self.term(depth),
        }
    }

    fn variable(&mut self) -> String {
        if self.variables.is_empty() { "input.a".to_owned() } else { self.random.pick(&self.variables).clone() }
    }

    fn rule(&mut self, kinds: &[Kind]) -> Option<String> {
        let found: Vec<&Known> = self.known.iter().filter(|rule| kinds.contains(&rule.kind)).collect();
        if found.is_empty() { None } else { Some(self.random.pick(&found).name.clone()) }
    }

    /// Something that is a list, a set or a mapping, if all goes well.
    fn collection(&mut self, depth: usize) -> String {
        match self.random.below(7) {
            0 => self.rule(&[Kind::Set, Kind::Object]).unwrap_or_else(|| "input.items".to_owned()),
            1 => "input.items".to_owned(),
            2 => self.variable(),
            3 if depth > 0 => self.composite(depth),
            4 if depth > 0 => self.comprehension(depth),
            _ => self.reference(),
        }
    }

    /// A path into the input, into a rule, or from a variable.
    fn reference(&mut self) -> String {
        let mut text = match self.random.below(10) {
            0..=2 => self.rule(&[Kind::Complete, Kind::Set, Kind::Object]).unwrap_or_else(|| "input".to_owned()),
            3..=4 => self.variable(),
            _ => format!("input.{}", self.random.pick(&["a", "b", "c", "items", "labels", "missing"])),
        };
        for _ in 0..self.random.below(3) {
            let step = match self.random.below(6) {
                0 if self.has_wildcards => "[_]".to_owned(),
                1 => format!("[{}]", self.random.below(2)),
                2 => format!("[{}]", self.variable()),
                3 => format!("[{:?}]", self.random.pick(&KEYS)),
                _ => format!(".{}", self.random.pick(&["a", "b", "c", "name"])),
            };
            text += &step;
        }
        text
    }

    /// The key of a partial object.
    pub(super) fn key(&mut self) -> String {
        if self.random.percent(60) { self.variable() } else { self.term(1) }
    }

    pub(super) fn term(&mut self, depth: usize) -> String {
        match self.random.below(14) {
            0..=2 => Self::constant(self.random, 0),
            3..=4 => self.variable(),
            5..=7 => self.reference(),
            8 if depth > 0 => self.composite(depth),
            9 if depth > 0 => self.comprehension(depth),
            10 if depth > 0 => {
                let operator = *self.random.pick(&["+", "-", "*", "/", "%", "|", "&", "-"]);
                format!("({} {operator} {})", self.operand(depth - 1), self.operand(depth - 1))
            }
            11 if depth > 0 => self.call(depth - 1),
            12 => self.rule(&[Kind::Complete, Kind::Set, Kind::Object]).unwrap_or_else(|| "input.a".to_owned()),
            _ => self.variable(),
        }
    }

    fn composite(&mut self, depth: usize) -> String {
        let count = self.random.below(3);
        let terms: Vec<String> = (0..count).map(|_| self.term(depth - 1)).collect();
        match self.random.below(3) {
            0 => format!("[{}]", terms.join(", ")),
            1 if !terms.is_empty() => format!("{{{}}}", terms.join(", ")),
            _ => {
                let keys = ["\"a\"", "\"b\"", "1"];
                let fields: Vec<String> = terms.iter().zip(keys).map(|(term, key)| format!("{key}: {term}")).collect();
                format!("{{{}}}", fields.join(", "))
            }
        }
    }

    fn comprehension(&mut self, depth: usize) -> String {
        let bound = self.variables.len();
        let body = self.joined(depth - 1);
        let (head, key) = (self.term(0), self.term(0));
        self.variables.truncate(bound);
        match self.random.below(3) {
            0 => format!("[{head} | {body}]"),
            1 => format!("{{{head} | {body}}}"),
            _ => format!("{{{key}: {head} | {body}}}"),
        }
    }

    /// What an operator or a builtin takes: nearly always something whose type nobody knows beforehand.
    fn operand(&mut self, depth: usize) -> String {
        match self.random.below(8) {
            0..=1 => self.term(depth),
            2 => self.variable(),
            3 => (*self.random.pick(&["1", "2", "0"])).to_owned(),
            _ => self.reference(),
        }
    }

    fn call(&mut self, depth: usize) -> String {
        let own: Vec<Known> =
            self.known.iter().filter(|rule| matches!(rule.kind, Kind::Function(_))).cloned().collect();
        if !own.is_empty() && self.random.percent(45) {
            let function = self.random.pick(&own).clone();
            let Kind::Function(arity) = function.kind else { return function.name };
            let arguments: Vec<String> = (0..arity).map(|_| self.term(depth)).collect();
            return format!("{}({})", function.name, arguments.join(", "));
        }
        if self.random.percent(15) {
            let format = *self.random.pick(&["%v", "%d %s", "%q", "%05.1f|%x", "%v %v", "%[2]v"]);
            return format!("sprintf({format:?}, [{}, {}])", self.term(depth), self.term(depth));
        }
        if self.version == RegoVersion::V0 && self.random.percent(5) {
            return format!("{}({})", self.random.pick(&["any", "all"]), self.term(depth));
        }
        let (name, arity) = *self.random.pick(&CALLS);
        let arguments: Vec<String> = (0..arity).map(|_| self.operand(depth)).collect();
        format!("{name}({})", arguments.join(", "))
    }

    pub(super) fn constant(random: &mut Random, depth: usize) -> String {
        let scalars =
            ["null", "true", "false", "0", "1", "2", "-1", "1.5", "\"\"", "\"a\"", "\"b\"", "\"é%d\"", "\"1\""];
        let scalar = (*random.pick(&scalars)).to_owned();
        match random.below(8) {
            0 if depth > 0 => format!("[{scalar}, {}]", random.pick(&scalars)),
            1 if depth > 0 => format!("{{\"a\": {scalar}}}"),
            2 if depth > 0 => format!("{{{scalar}}}"),
            _ => scalar,
        }
    }
}
