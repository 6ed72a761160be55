//! Where a value stands inside a document: `spec.targets[0].rego`, as the Kubernetes API server writes it.
//!
//! A path is a route of keys and indices, nothing more. Line and column come from `manifest::SpanTree`, at output.

use std::fmt;

/// One step of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A key of a mapping.
    Key(String),
    /// A position in a list, from 0.
    Index(usize),
}

/// A route from the root of a document to one of its values; empty for the root itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The path of the document itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// The steps from the root.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// This path and one key more.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Key(key.into()));
        path
    }

    /// This path and one list position more.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Segment::Index(index));
        path
    }

    /// This path and more steps.
    #[must_use]
    pub fn join(&self, steps: &[Segment]) -> Self {
        Self([self.segments(), steps].concat())
    }

    /// The steps that lead from `top` to here; `None` when this is not at or below it.
    pub fn below(&self, top: &Self) -> Option<&[Segment]> {
        self.0.strip_prefix(top.segments())
    }

    /// This path without its last step; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }
}

impl<const N: usize> From<[&str; N]> for FieldPath {
    fn from(keys: [&str; N]) -> Self {
        Self(keys.iter().map(|key| Segment::Key((*key).to_owned())).collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("<root>");
        }
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(formatter, "[{index}]")?,
                // The API server brackets keys that would not read as one step: metadata.labels[example.com/team].
                Segment::Key(key) if position > 0 && key.contains(['.', '/', ' ']) => write!(formatter, "[{key}]")?,
                Segment::Key(key) if position > 0 => write!(formatter, ".{key}")?,
                Segment::Key(key) => formatter.write_str(key)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_as_the_api_server_does() {
        let path = FieldPath::from(["spec", "targets"]).index(0).key("rego");
        assert_eq!(path.to_string(), "spec.targets[0].rego");
        let label = FieldPath::from(["metadata", "labels"]).key("example.com/team");
        assert_eq!(label.to_string(), "metadata.labels[example.com/team]");
        assert_eq!(FieldPath::root().to_string(), "<root>");
    }
}
