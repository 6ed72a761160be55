//! The fields of an annotation, from its YAML to the value that policies see.
//!
//! Fields that OPA does not know are left out, and so is `compile`, of which only mistakes show.

use super::Scope;
use super::yaml::{self, Meaning, Node};
use crate::model::api::RegoVersion;
use crate::policy::engine::rego::builtins::normal_url;
use crate::policy::engine::rego::syntax::ast::{ExprKind, Term, TermKind};
use crate::policy::engine::rego::syntax::parser::parse_query;
use crate::policy::engine::rego::value::Value;

/// Name and value of a field that is not empty.
type Field = (&'static str, Value);

/// What an annotation says.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    scope: String,
    is_entrypoint: bool,
    /// All others that are not empty.
    shown: Vec<Field>,
    /// Why it cannot be shown: known when it is read, told when it is asked for.
    not_shown: Option<String>,
}

impl Fields {
    /// Reads a block's text.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut fields = Self::default();
        let Some(root) = yaml::read(text)? else { return Ok(fields) };
        for (name, node) in root.fields()?.unwrap_or_default() {
            fields.field(name, node)?;
        }
        Ok(fields)
    }

    /// Empty where it is not written.
    pub(super) fn scope(&self) -> &str {
        &self.scope
    }

    pub(super) fn is_entrypoint(&self) -> bool {
        self.is_entrypoint
    }

    pub(super) fn to_value(&self, scope: Scope) -> Result<Value, String> {
        if let Some(reason) = &self.not_shown {
            return Err(reason.clone());
        }
        let mut entries = vec![(Value::string("scope"), Value::string(scope.as_str()))];
        if self.is_entrypoint {
            entries.push((Value::string("entrypoint"), Value::Bool(true)));
        }
        entries.extend(self.shown.iter().map(|(name, value)| (Value::string(name), value.clone())));
        Ok(Value::object(entries))
    }

    fn field(&mut self, name: &str, node: &Node) -> Result<(), String> {
        match name {
            "scope" => self.scope = node.text()?.unwrap_or_default().to_owned(),
            "entrypoint" => self.is_entrypoint = node.boolean()?,
            "title" => self.show_text("title", node)?,
            "description" => self.show_text("description", node)?,
            "organizations" => {
                // What is null is no item of a list of texts.
                let names = node.items()?.iter().map(Node::text).collect::<Result<Vec<_>, _>>()?;
                self.show_all("organizations", names.into_iter().flatten().map(Value::string).collect());
            }
            "related_resources" => self.show_each("related_resources", node, related_resource)?,
            "authors" => self.show_each("authors", node, author)?,
            "schemas" => self.schemas(node)?,
            "compile" => check_compile(node)?,
            "custom" => self.custom(node)?,
            _ => {}
        }
        Ok(())
    }

    fn show_text(&mut self, name: &'static str, node: &Node) -> Result<(), String> {
        if let Some(text) = node.text()?.filter(|text| !text.is_empty()) {
            self.shown.push((name, Value::string(text)));
        }
        Ok(())
    }

    fn show_all(&mut self, name: &'static str, items: Vec<Value>) {
        if !items.is_empty() {
            self.shown.push((name, Value::array(items)));
        }
    }

    fn show_each(
        &mut self,
        name: &'static str,
        node: &Node,
        read: fn(&Node) -> Result<Value, String>,
    ) -> Result<(), String> {
        let read = |item: &Node| {
            item.check()?;
            read(item).map_err(|reason| format!("invalid definition in {name}: {reason}"))
        };
        let items = node.items()?.iter().map(read).collect::<Result<_, String>>()?;
        self.show_all(name, items);
        Ok(())
    }

    fn schemas(&mut self, node: &Node) -> Result<(), String> {
        let mut schemas = Vec::new();
        for item in node.items()? {
            item.check()?;
            let pairs = item.fields()?.unwrap_or_default();
            let [(path, schema)] = pairs.as_slice() else {
                return Err("a schema must have one path".to_owned());
            };
            let steps = reference(path).ok_or("invalid document reference")?;
            let mut entries = vec![(Value::string("path"), steps)];
            match (schema.meaning()?, schema) {
                (Some(Meaning::Text(text)), _) => {
                    let is_schema = |steps: &Value| steps.get(&Value::from(0_i64)) == Some(&Value::string("schema"));
                    let steps = reference(&text).filter(is_schema).ok_or("invalid schema reference")?;
                    entries.push((Value::string("schema"), steps));
                }
                (None, Node::Mapping(_)) if schema.has_text_keys()? => match schema.to_value() {
                    Ok(definition) => entries.push((Value::string("definition"), definition)),
                    Err(reason) => self.hide(format!("invalid definition in schema annotation: {reason}")),
                },
                _ => return Err(format!("invalid schema declaration for path \"{path}\"")),
            }
            schemas.push(Value::object(entries));
        }
        self.show_all("schemas", schemas);
        Ok(())
    }

    fn custom(&mut self, node: &Node) -> Result<(), String> {
        let fields = node.fields()?.unwrap_or_default();
        let mut entries = Vec::new();
        for (name, value) in fields {
            value.check()?;
            if !value.has_text_keys()? {
                return Err("invalid map key type(s)".to_owned());
            }
            match value.to_value() {
                Ok(value) => entries.push((Value::string(name), value)),
                Err(reason) => self.hide(format!("invalid custom annotation {reason}")),
            }
        }
        if !entries.is_empty() {
            self.shown.push(("custom", Value::object(entries)));
        }
        Ok(())
    }

    fn hide(&mut self, reason: String) {
        self.not_shown.get_or_insert(reason);
    }
}

fn related_resource(node: &Node) -> Result<Value, String> {
    let (reference, description) = match (node.meaning()?, node) {
        (Some(Meaning::Text(text)), _) if text.is_empty() => return Err("ref URL may not be empty string".to_owned()),
        (Some(Meaning::Text(text)), _) => (text, String::new()),
        (None, Node::Mapping(_)) => (trimmed(node, "ref")?, trimmed(node, "description")?),
        _ => return Err("invalid value type, must be string or map".to_owned()),
    };
    if reference.is_empty() {
        return Err("'ref' value required in object".to_owned());
    }
    let url = normal_url(&reference).ok_or_else(|| format!("parse \"{reference}\": invalid URL"))?;
    Ok(object([("ref", url), ("description", description)]))
}

fn author(node: &Node) -> Result<Value, String> {
    let (name, email) = match (node.meaning()?, node) {
        (Some(Meaning::Text(text)), _) => author_in_words(&text)?,
        (None, Node::Mapping(_)) => (trimmed(node, "name")?, trimmed(node, "email")?),
        _ => return Err("invalid value type, must be string or map".to_owned()),
    };
    if name.is_empty() && email.is_empty() && !matches!(node, Node::Scalar { .. }) {
        return Err("'name' and/or 'email' values required in object".to_owned());
    }
    Ok(object([("name", name), ("email", email)]))
}

/// `First Last <address>`
fn author_in_words(text: &str) -> Result<(String, String), String> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let Some(last) = words.last() else { return Err("author is an empty string".to_owned()) };
    let email = last.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    if email.is_some() {
        words.pop();
    }
    Ok((words.join(" "), email.unwrap_or_default().to_owned()))
}

/// A field that is text, without white space around it; empty where it is anything else.
fn trimmed(node: &Node, name: &str) -> Result<String, String> {
    if !node.has_text_keys()? {
        return Err("invalid map key type(s)".to_owned());
    }
    let fields = node.fields()?.unwrap_or_default();
    let field = fields.into_iter().find(|(key, _)| *key == name);
    Ok(match field.map(|(_, value)| value.meaning()).transpose()?.flatten() {
        Some(Meaning::Text(text)) => text.trim().to_owned(),
        _ => String::new(),
    })
}

/// The fields that are not empty.
fn object<const N: usize>(fields: [(&str, String); N]) -> Value {
    let fields = fields.into_iter().filter(|(_, text)| !text.is_empty());
    Value::object(fields.map(|(name, text)| (Value::string(name), Value::string(text))).collect())
}

fn check_compile(node: &Node) -> Result<(), String> {
    for (name, value) in node.fields()?.unwrap_or_default() {
        value.check()?;
        let is_wrong = match (name, value.meaning()?, value) {
            ("unknowns", _, Node::Sequence(items)) => items
                .iter()
                .any(|item| matches!(item.meaning(), Ok(Some(Meaning::Text(text))) if reference(&text).is_none())),
            ("mask_rule", Some(Meaning::Text(text)), _) => {
                reference(&text).is_none()
                    && !matches!(term(&text), Some(Term { kind: TermKind::Variable(_) | TermKind::String(_), .. }))
            }
            _ => false,
        };
        if is_wrong {
            return Err(format!("invalid {name} annotation"));
        }
    }
    Ok(())
}

/// The steps of a reference. `schema` is a root here, as `data` and `input` are everywhere.
fn reference(text: &str) -> Option<Value> {
    let steps = match term(text)?.kind {
        TermKind::Variable(name) if matches!(name.as_str(), "data" | "input" | "schema") => {
            vec![Value::string(name)]
        }
        TermKind::Reference { head, path } => {
            std::iter::once(*head).chain(path).map(step).collect::<Option<Vec<_>>>()?
        }
        _ => return None,
    };
    Some(Value::array(steps))
}

/// A step as text.
fn step(term: Term) -> Option<Value> {
    Some(Value::string(match term.kind {
        TermKind::String(text) | TermKind::Variable(text) | TermKind::Number(text) => text,
        TermKind::Bool(boolean) => boolean.to_string(),
        TermKind::Null => "null".to_owned(),
        _ => return None,
    }))
}

fn term(text: &str) -> Option<Term> {
    let body = parse_query(text, RegoVersion::V1).ok()?;
    let [expr] = <[_; 1]>::try_from(body).ok()?;
    match expr.kind {
        ExprKind::Term(term) if expr.with.is_empty() && !expr.is_negated => Some(term),
        _ => None,
    }
}
