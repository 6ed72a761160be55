//! Documents that references may name: the schema itself, and what in it has an `$id`.

use std::collections::HashMap;

use super::SchemaError;
use crate::policy::engine::rego::builtins::BuiltinError;
use crate::policy::engine::rego::builtins::json_schema::url::Url;
use crate::policy::engine::rego::value::Value;

/// Documents by URL; the empty one is the schema as a whole.
#[derive(Debug, Default)]
pub(super) struct Pool {
    documents: HashMap<String, Value>,
}

impl Pool {
    /// Reads a schema, and makes each `$ref` in it say the whole URL. Gives the schema with those.
    pub(super) fn read(&mut self, document: &Value) -> Result<Value, SchemaError> {
        let document = self.rewrite(document, &Url::default())?;
        self.documents.insert(String::new(), document.clone());
        Ok(document)
    }

    /// Follows `document` and its parts, which nest no deeper than documents may.
    fn rewrite(&mut self, document: &Value, base: &Url) -> Result<Value, SchemaError> {
        match document {
            Value::Array(items) => {
                let items: Result<_, _> = items.iter().map(|item| self.rewrite(item, base)).collect();
                Ok(Value::array(items?))
            }
            Value::Object(_) => self.rewrite_object(document, base),
            other => Ok(other.clone()),
        }
    }

    fn rewrite_object(&mut self, document: &Value, base: &Url) -> Result<Value, SchemaError> {
        let Value::Object(object) = document else { return Ok(document.clone()) };
        let id = object.get_str("id").or_else(|| object.get_str("$id")).and_then(Value::as_str);
        let id = id.and_then(|id| Url::parse(id).ok()).map(|id| join(base, &id));
        if let Some(id) = &id {
            let key = id.text();
            if self.documents.contains_key(&key) {
                return Err(SchemaError::Invalid(format!("Reference already exists: \"{key}\"")));
            }
            self.documents.insert(key, document.clone());
        }
        let base = id.as_ref().unwrap_or(base);
        let mut entries = Vec::with_capacity(object.len());
        for (key, value) in object.entries() {
            let value = match key.as_str().unwrap_or_default() {
                "$ref" if value.as_str().is_some() => absolute(value, base),
                "const" | "enum" => value.clone(),
                "properties" | "dependencies" | "patternProperties" => self.rewrite_fields(value, base)?,
                _ => self.rewrite(value, base)?,
            };
            entries.push((key.clone(), value));
        }
        let rewritten = Value::object(entries);
        if let Some(id) = &id {
            self.documents.insert(id.text(), rewritten.clone());
        }
        Ok(rewritten)
    }

    /// The keys of these are names, not keywords.
    fn rewrite_fields(&mut self, fields: &Value, base: &Url) -> Result<Value, SchemaError> {
        let Value::Object(object) = fields else { return Ok(fields.clone()) };
        let mut entries = Vec::with_capacity(object.len());
        for (key, value) in object.entries() {
            entries.push((key.clone(), self.rewrite(value, base)?));
        }
        Ok(Value::object(entries))
    }

    /// What a reference names.
    pub(super) fn document(&self, reference: &Url) -> Result<Value, SchemaError> {
        let text = reference.text();
        if let Some(found) = self.documents.get(&text) {
            return Ok(found.clone());
        }
        if let Some(document) = self.documents.get(&reference.without_fragment().text()) {
            return Ok(follow(document, &reference.fragment())?);
        }
        let is_file = reference.scheme == "file";
        let is_complete = !reference.scheme.is_empty() && !reference.host.is_empty();
        if if is_file { reference.path().starts_with('/') } else { is_complete } {
            let reason = format!("json schema: {text} is not part of the schema, and none is loaded from elsewhere");
            return Err(SchemaError::Stop(BuiltinError::Halt(reason)));
        }
        Err(SchemaError::Invalid(format!("Reference {text} must be canonical")))
    }
}

fn join(base: &Url, reference: &Url) -> Url {
    base.without_fragment().resolve(reference)
}

fn absolute(reference: &Value, base: &Url) -> Value {
    let url = reference.as_str().and_then(|text| Url::parse(text).ok());
    url.map_or_else(|| reference.clone(), |url| Value::from(join(base, &url).text()))
}

/// Follows a JSON pointer. What is no pointer names the whole document.
fn follow(document: &Value, pointer: &str) -> Result<Value, String> {
    let Some(pointer) = pointer.strip_prefix('/') else {
        return Ok(document.clone());
    };
    let mut node = document;
    for token in pointer.split('/') {
        node = match node {
            Value::Object(object) => {
                let key = token.replace("~1", "/").replace("~0", "~");
                object.get_str(&key).ok_or_else(|| format!("Object has no key '{key}'"))?
            }
            Value::Array(items) => {
                let index: i64 = token.parse().map_err(|_| format!("Invalid array index '{token}'"))?;
                let found = usize::try_from(index).ok().and_then(|index| items.get(index));
                found.ok_or_else(|| format!("Out of bound array[0,{}] index '{index}'", items.len()))?
            }
            _ => return Err(format!("Invalid token reference '{token}'")),
        };
    }
    Ok(node.clone())
}
