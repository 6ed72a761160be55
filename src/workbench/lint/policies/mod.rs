//! Policies as the rules of policy lint see them: templates parsed, compiled and followed, constraints, suites, and what
//! is synced.

pub(super) mod flow;
mod value;

use std::path::{Component, Path, PathBuf};

use serde_json::Value as Json;

use super::samples::is_in_folder;
use crate::manifest::Location;
use crate::model::api::{
    CONFIG_GROUP, CONSTRAINTS_GROUP, Config, ConstraintTemplate, EngineSource, Process, RegoSource, SYNC_SET_GROUP,
    TEMPLATES_GROUP, parse_sync_set,
};
use crate::model::object::{FieldPath, GroupVersionKind, Wildcard};
use crate::model::value::Step;
use crate::policy::engine::BuiltinAccess;
use crate::policy::engine::rego::compile::{CompileOptions, compile};
use crate::policy::engine::rego::compiled::Compiled;
use crate::policy::engine::rego::syntax::ast::{Module, Span};
use crate::policy::engine::rego::syntax::parser::parse_module;
use crate::workbench::bundle::BundledObject;
use flow::{At, Flow};
pub(super) use value::Place;

/// The group of suites.
pub(super) const SUITES_GROUP: &str = "test.gatekeeper.sh";

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Policies<'a> {
    pub(super) templates: Vec<Template<'a>>,
    pub(super) constraints: Vec<Constraint<'a>>,
    pub(super) suites: Vec<Suite<'a>>,
    /// Kinds of the inventory; nothing when no Config and no SyncSet is among the inputs.
    pub(super) synced: Option<Vec<GroupVersionKind>>,
    /// Namespaces that a Config keeps from the webhook.
    pub(super) excluded: Vec<Wildcard>,
    /// Kinds of custom resources that are defined among the inputs: group, kind, whether namespaced.
    pub(super) custom: Vec<(String, String, bool)>,
    /// Everything that is linted, of whatever kind.
    pub(super) objects: Vec<&'a BundledObject>,
}

/// A template that can be used.
#[derive(Debug)]
pub(super) struct Template<'a> {
    pub(super) bundled: &'a BundledObject,
    /// It is what is linted, not only what is linted by.
    pub(super) is_subject: bool,
    pub(super) parsed: ConstraintTemplate,
    /// Its code, when that compiles.
    pub(super) code: Option<Code>,
}

/// Code of a template.
#[derive(Debug)]
pub(super) struct Code {
    /// As written, the main module first.
    pub(super) modules: Vec<Module>,
    pub(super) compiled: Compiled,
    pub(super) flow: Flow,
}

/// A constraint, whatever is wrong with it.
#[derive(Debug)]
pub(super) struct Constraint<'a> {
    pub(super) bundled: &'a BundledObject,
}

/// A suite, whatever is wrong with it.
#[derive(Debug)]
pub(super) struct Suite<'a> {
    pub(super) bundled: &'a BundledObject,
    pub(super) is_subject: bool,
}

impl<'a> Policies<'a> {
    /// Reads what is a policy among objects. What is broken is reported where policies are built, and left out here.
    pub(super) fn read(policies: &[&'a BundledObject], subjects: &[&'a BundledObject], access: BuiltinAccess) -> Self {
        let mut read = Self::default();
        let all = policies.iter().map(|one| (*one, false)).chain(subjects.iter().map(|one| (*one, true)));
        for (bundled, is_subject) in all {
            read.add(bundled, is_subject, access);
            read.objects.extend(is_subject.then_some(bundled));
        }
        read
    }

    fn add(&mut self, bundled: &'a BundledObject, is_subject: bool, access: BuiltinAccess) {
        let gvk = bundled.object.gvk();
        match (gvk.group.as_str(), gvk.kind.as_str()) {
            (TEMPLATES_GROUP, "ConstraintTemplate") => {
                if let Ok(parsed) = ConstraintTemplate::parse((*bundled.object).clone()) {
                    let EngineSource::Rego(source) = &parsed.source;
                    let code = Code::read(source, access);
                    self.templates.push(Template { bundled, is_subject, parsed, code });
                }
            }
            (CONSTRAINTS_GROUP, _) => self.constraints.push(Constraint { bundled }),
            (SUITES_GROUP, "Suite") => self.suites.push(Suite { bundled, is_subject }),
            (CONFIG_GROUP, "Config") => {
                let config = Config::parse(&bundled.object).unwrap_or_default();
                self.synced.get_or_insert_default().extend(config.sync_only);
                let exclusions = config.exclusions.into_iter();
                let webhook = exclusions.filter(|one| one.processes.iter().any(|it| Process::Webhook.is_meant_by(it)));
                self.excluded.extend(webhook.flat_map(|one| one.namespaces));
            }
            (SYNC_SET_GROUP, "SyncSet") => {
                self.synced.get_or_insert_default().extend(parse_sync_set(&bundled.object).0);
            }
            ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                let text =
                    |path: &[&str]| bundled.object.field(path).and_then(Json::as_str).unwrap_or_default().to_owned();
                let is_namespaced = text(&["spec", "scope"]) == "Namespaced";
                self.custom.push((text(&["spec", "group"]), text(&["spec", "names", "kind"]), is_namespaced));
            }
            _ => {}
        }
    }

    /// Constraints of a template.
    pub(super) fn constraints_of(&self, template: &Template<'_>) -> impl Iterator<Item = &Constraint<'a>> {
        self.constraints.iter().filter(move |one| one.kind() == template.parsed.kind)
    }

    /// Constraints that are put to use, and not only there for a suite to test a template with.
    pub(super) fn in_use(&self) -> impl Iterator<Item = &Constraint<'a>> {
        let tested: Vec<PathBuf> = self.suites.iter().flat_map(|suite| suite.files("constraint")).collect();
        self.constraints.iter().filter(move |one| !tested.contains(&file_of(one.bundled)))
    }

    /// Whether a constraint is there for a suite alone: only what is in a folder for such things is.
    pub(super) fn is_sample(&self, constraint: &Constraint<'_>) -> bool {
        let file = file_of(constraint.bundled);
        is_in_folder(&file) && self.suites.iter().any(|suite| suite.files("constraint").contains(&file))
    }

    /// The template of a constraint.
    pub(super) fn template_of(&self, constraint: &Constraint<'_>) -> Option<&Template<'a>> {
        self.templates.iter().find(|one| one.parsed.kind == constraint.kind())
    }

    /// Templates whose code compiles.
    pub(super) fn codes(&self) -> impl Iterator<Item = (&Template<'a>, &Code)> {
        self.templates.iter().filter_map(|template| Some((template, template.code.as_ref()?)))
    }
}

impl Code {
    fn read(source: &RegoSource, access: BuiltinAccess) -> Option<Self> {
        let libraries = source.libraries.iter().enumerate().map(|(index, module)| (format!("libs[{index}]"), module));
        let named = std::iter::once(("template".to_owned(), &source.main)).chain(libraries);
        let modules: Result<Vec<Module>, _> =
            named.map(|(name, module)| parse_module(&name, &module.text, source.version)).collect();
        let modules = modules.ok()?;
        let options = CompileOptions { access, ..CompileOptions::gatekeeper() };
        let compiled = compile(modules.clone(), &options).ok()?;
        let flow = Flow::of(&compiled);
        Some(Self { modules, compiled, flow })
    }
}

impl Template<'_> {
    /// Where something of the code stands in the file.
    pub(super) fn locate(&self, at: &At) -> Location {
        let EngineSource::Rego(source) = &self.parsed.source;
        let library =
            at.module.strip_prefix("libs[").and_then(|rest| rest.strip_suffix(']')).and_then(|it| it.parse().ok());
        let module = library.and_then(|index: usize| source.libraries.get(index)).unwrap_or(&source.main);
        let Span { line, column, start, end } = at.span;
        let document = &self.bundled.document;
        let mut location = document.locate_in_scalar(&module.path, line, column);
        let written = module.text.get(start as usize..end as usize).unwrap_or_default();
        let is_exact = document.locate(&module.path).location.line < location.line;
        if is_exact && location.line == location.end_line && location.column == location.end_column {
            let first = written.lines().next().unwrap_or_default();
            let length = u32::try_from(first.trim_end().chars().count()).unwrap_or_default();
            location.end_column = location.column.saturating_add(length);
        }
        location
    }

    /// All that is written beside the code: comments, and what the template says of itself.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        let comments = self.code.iter().flat_map(|code| &code.modules).flat_map(|module| &module.comments);
        let annotations = self.parsed.object.annotations();
        let said = comments.map(|comment| comment.text.as_str()).chain(annotations.iter().map(|(_, text)| text));
        said.map(str::to_lowercase).any(|text| words.iter().any(|word| text.contains(word)))
    }
}

impl Suite<'_> {
    /// The files that its tests name for their template or constraint.
    pub(super) fn files(&self, key: &str) -> Vec<PathBuf> {
        let tests = self.bundled.object.field(&["tests"]).and_then(Json::as_array).into_iter().flatten();
        let directory = Path::new(&**self.bundled.document.source().name()).with_file_name("");
        let files = tests.filter_map(|test| test.get(key)?.as_str());
        files.map(|file| plain(&directory.join(file))).collect()
    }
}

/// The file that an object was read from.
pub(super) fn file_of(bundled: &BundledObject) -> PathBuf {
    plain(Path::new(&**bundled.document.source().name()))
}

/// Without `.` and `..`.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

impl Constraint<'_> {
    /// The kind that a template gave it.
    pub(super) fn kind(&self) -> &str {
        &self.bundled.object.gvk().kind
    }

    /// A field of it.
    pub(super) fn field(&self, path: &[&str]) -> Option<&Json> {
        self.bundled.object.field(path)
    }

    /// `spec.match`, as far as it is a mapping.
    pub(super) fn matches(&self, key: &str) -> Option<&Json> {
        self.field(&["spec", "match", key]).filter(|value| !value.is_null())
    }

    /// Pairs of group and kind that it names, with their places; nothing when it is about every kind.
    pub(super) fn kinds(&self) -> Vec<NamedKind> {
        let entries = self.matches("kinds").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let at = FieldPath::from(["spec", "match", "kinds"]);
        let mut kinds = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let at = at.index(index);
            let texts = |key: &str| -> Vec<(usize, String)> {
                let list = entry.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
                let texts = list.iter().enumerate().filter_map(|(index, it)| Some((index, it.as_str()?.to_owned())));
                let texts: Vec<_> = texts.collect();
                if texts.is_empty() { vec![(0, "*".to_owned())] } else { texts }
            };
            let groups: Vec<String> = texts("apiGroups").into_iter().map(|(_, group)| group).collect();
            for (position, kind) in texts("kinds") {
                kinds.push(NamedKind { groups: groups.clone(), kind, at: at.key("kinds").index(position) });
            }
        }
        kinds
    }
}

/// A kind in a constraint's match.
#[derive(Clone, Debug)]
pub(super) struct NamedKind {
    /// Those that it is looked for in; `*` is any.
    pub(super) groups: Vec<String>,
    /// `*` is any.
    pub(super) kind: String,
    pub(super) at: FieldPath,
}

impl NamedKind {
    /// The pairs that exist, among all that Kubernetes has.
    pub(super) fn builtin(&self) -> impl Iterator<Item = &'static super::kinds::Kind> {
        let is_in = |one: &&super::kinds::Kind| self.groups.iter().any(|group| group == "*" || group == one.group);
        super::kinds::all().iter().filter(|one| self.kind == "*" || self.kind == one.kind).filter(move |it| is_in(it))
    }
}

/// A path as people write it: `spec.containers[_].image`.
pub(super) fn shown(path: &[Step]) -> String {
    let mut shown = String::new();
    for step in path {
        match step {
            Step::Any => shown.push_str("[_]"),
            Step::Key(key) if key.chars().all(|one| one.is_alphanumeric() || one == '_') => {
                if !shown.is_empty() {
                    shown.push('.');
                }
                shown.push_str(key);
            }
            Step::Key(key) => shown.push_str(&format!("[{key:?}]")),
        }
    }
    shown
}

/// Whether a path begins with these keys.
pub(super) fn below<'p>(path: &'p [Step], keys: &[&str]) -> Option<&'p [Step]> {
    let is_key = |(step, key): (&Step, &&str)| matches!(step, Step::Key(step) if &**step == *key);
    let begins = path.len() >= keys.len() && path.iter().zip(keys).all(is_key);
    begins.then(|| path.get(keys.len()..)).flatten()
}

/// The one of the names that is nearest to what was written, when it is near.
pub(super) fn nearest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let distance = |name: &str| strsim::damerau_levenshtein(&written.to_lowercase(), &name.to_lowercase());
    let most = if written.chars().count() <= 4 { 1 } else { 2 };
    let near = names.into_iter().map(|name| (distance(name), name)).min();
    near.filter(|(distance, _)| *distance <= most).map(|(_, name)| name)
}
