//! Structural schemas: what a CustomResourceDefinition says about the objects of its kind.
//!
//! A [`Schema`] is read once from `openAPIV3Schema` and then answers, as the Kubernetes API server would: which defaults
//! does an object get, which fields are unknown, what is wrong with it. Field paths and messages are the API server's.
//!
//! ```text
//!   openAPIV3Schema ──parse──► Schema ──► default, prune   (change an object)
//!        │                        └─────► validate, unknown_fields (judge it)
//!        └──structural──► what the API server would refuse in the schema itself
//! ```
//!
//! Promises: no panic on any schema or value; work is bounded by the schema's depth, which [`MAX_DEPTH`] bounds.
//! Deliberately absent: JSON Schema beyond what a CRD may say (`$ref`, `patternProperties`, …), and
//! `x-kubernetes-validations`, which are ignored. A pattern is a Rust regular expression; one that Rust cannot compile is an error.

mod defaults;
mod embedded;
mod format;
mod keywords;
mod legacy;
mod lists;
mod number;
mod outcome;
mod parse;
mod pattern;
mod structural;
mod text_formats;
mod types;
mod unknown;
mod validate;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::object::{FieldError, FieldPath};

use format::Format;
pub use legacy::loosen_legacy;
use lists::ListKind;
use number::NumberLimits;
use pattern::Pattern;
use structural::Level;
use types::Type;

/// How deep schemas may nest. The deepest in use, a whole Pod template, has about 15 levels.
pub const MAX_DEPTH: usize = 100;

/// A compiled structural schema.
///
/// Inside `all_of`, `any_of`, `one_of` and `not` stand schemas too; of those only the checks count, never defaults or unknown fields.
#[derive(Clone, Debug)]
pub struct Schema {
    /// Empty: any type. Two entries, integer and string, for `x-kubernetes-int-or-string`.
    types: Vec<Type>,
    nullable: bool,
    properties: BTreeMap<String, Schema>,
    additional_properties: AdditionalProperties,
    items: Option<Box<Schema>>,
    default: Option<Value>,
    preserve_unknown: bool,
    role: Role,
    list: ListKind,
    allowed_values: Vec<Value>,
    format: Option<Format>,
    numbers: NumberLimits,
    pattern: Option<Pattern>,
    length: Limits,
    item_count: Limits,
    unique_items: bool,
    property_count: Limits,
    required: Vec<String>,
    all_of: Vec<Schema>,
    any_of: Vec<Schema>,
    one_of: Vec<Schema>,
    not: Option<Box<Schema>>,
}

/// What a mapping's schema says of keys that it does not list.
#[derive(Clone, Debug, Default)]
enum AdditionalProperties {
    /// Nothing: they are unknown fields, to be pruned.
    #[default]
    Unmentioned,
    /// `true`: they are known; mappings inside them are pruned empty.
    Allowed,
    /// `false`: they are errors.
    Refused,
    /// A schema for each of their values.
    Matching(Box<Schema>),
}

/// Whether a mapping is a Kubernetes object, whose `apiVersion`, `kind` and `metadata` are known without being listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    #[default]
    Plain,
    /// The whole resource: the API server judges its metadata elsewhere.
    Resource,
    /// An object inside a resource (`x-kubernetes-embedded-resource`), which must have `apiVersion` and `kind`.
    Embedded,
}

/// Lower and upper bound of a count.
#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    minimum: Option<i64>,
    maximum: Option<i64>,
}

impl Schema {
    /// Reads the schema of one field, as ConstraintTemplates carry it for `spec.parameters`.
    ///
    /// Errors are what the API server would refuse in a CRD with this schema, with paths below `at`. The schema
    /// that comes with errors is as much as could be read: good for pointing out further mistakes, not for enforcing.
    pub fn parse(schema: &Value, at: &FieldPath) -> (Self, Vec<FieldError>) {
        Self::parse_at(schema, at, Level::Field)
    }

    /// Reads the schema of a whole resource: `apiVersion`, `kind` and `metadata` are known fields of it.
    pub fn parse_resource(schema: &Value, at: &FieldPath) -> (Self, Vec<FieldError>) {
        let (mut parsed, errors) = Self::parse_at(schema, at, Level::Root);
        parsed.role = Role::Resource;
        (parsed, errors)
    }

    fn parse_at(schema: &Value, at: &FieldPath, level: Level) -> (Self, Vec<FieldError>) {
        let mut errors = Vec::new();
        let parsed = parse::parse(schema, at, 0, &mut errors);
        structural::check(schema, at, level, &mut errors);
        if errors.is_empty() {
            parsed.check_defaults(at, &mut errors);
        }
        (parsed, errors)
    }

    /// Fills in defaults as the API server does on every write: nulls where null is not allowed are dropped or
    /// replaced by the default, absent fields get theirs, and so on inside the defaults.
    pub fn default(&self, value: &mut Value) {
        self.drop_nulls(value);
        self.fill_in(value);
    }

    /// What is wrong with a value, in the schema's order. Unknown fields are not errors: see [`Schema::unknown_fields`].
    pub fn validate(&self, value: &Value, at: &FieldPath) -> Vec<FieldError> {
        let mut errors = self.judge(value, at).into_errors();
        self.check_embedded(value, at, &mut errors);
        self.check_lists(value, at, &mut errors);
        errors
    }

    /// The fields that the schema does not know, sorted. The API server prunes them, or refuses them on strict requests.
    pub fn unknown_fields(&self, value: &Value, at: &FieldPath) -> Vec<FieldPath> {
        let mut unknown = Vec::new();
        self.collect_unknown(value, at, self.preserve_unknown, &mut unknown);
        unknown.sort();
        unknown
    }

    /// Removes the unknown fields.
    pub fn prune(&self, value: &mut Value) {
        self.prune_inside(value, self.preserve_unknown);
    }

    /// This schema with one property more, or replaced, at the end of a route of properties; unchanged if the route leads nowhere.
    #[must_use]
    pub fn with_property(mut self, route: &[&str], property: Self) -> Self {
        let Some((name, parents)) = route.split_last() else { return self };
        let mut parent = &mut self;
        for step in parents {
            match parent.properties.get_mut(*step) {
                Some(child) => parent = child,
                None => return self,
            }
        }
        parent.properties.insert((*name).to_owned(), property);
        self
    }

    /// The schema for a key of a mapping, if it has one.
    fn property(&self, key: &str) -> Option<&Self> {
        match (self.properties.get(key), &self.additional_properties) {
            (Some(property), _) => Some(property),
            (None, AdditionalProperties::Matching(schema)) => Some(schema),
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests;
