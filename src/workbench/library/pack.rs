//! One pack: constraints that belong together, each with the comments above it.

use std::sync::Arc;

use super::EmbeddedPack;
use super::policy::words;
use crate::manifest::{self, Document, Location, Source};
use crate::model::api::EnforcementAction;
use crate::model::object::{FieldPath, Object};

/// A pack, read.
#[derive(Clone, Debug)]
pub struct Pack {
    /// Its name.
    pub name: &'static str,
    /// The first heading of its README.
    pub title: String,
    /// The first paragraph of its README.
    pub description: String,
    /// In the order of the file.
    pub constraints: Vec<PackConstraint>,
}

/// A constraint of a pack.
#[derive(Clone, Debug)]
pub struct PackConstraint {
    /// The constraint.
    pub object: Object,
    /// The document in its file, comments and the `---` behind it included.
    pub text: String,
}

impl Pack {
    /// Reads a pack. What cannot be read is left out; a test sees to it that nothing is.
    pub fn read(embedded: &EmbeddedPack) -> Self {
        let (title, description) = heading(embedded.readme);
        let constraints = documents(embedded.constraints).into_iter().filter_map(PackConstraint::read);
        Self { name: embedded.name, title, description, constraints: constraints.collect() }
    }

    /// The kinds of its constraints, each once, in the order of the file.
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = Vec::new();
        for constraint in &self.constraints {
            let kind = constraint.object.gvk().kind.as_str();
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }
}

impl PackConstraint {
    fn read(text: String) -> Option<Self> {
        let document = document(&text)?;
        Object::from_shared(document.shared_value()).ok().map(|object| Self { object, text })
    }

    /// What its violations do.
    pub fn action(&self) -> EnforcementAction {
        let action = self.object.field(&["spec", "enforcementAction"]).and_then(serde_json::Value::as_str);
        EnforcementAction::from_text(action.unwrap_or("deny"))
    }

    /// The same constraint with another action; the rest of its text stays as it is.
    pub fn with_action(&self, action: &EnforcementAction) -> Self {
        let path = FieldPath::from(["spec", "enforcementAction"]);
        let place = document(&self.text).map(|document| document.locate(&path)).filter(|found| found.is_exact);
        let replaced = place.and_then(|found| replace(&self.text, &found.location, action.as_str()));
        replaced.and_then(Self::read).unwrap_or_else(|| self.clone())
    }
}

fn document(text: &str) -> Option<Document> {
    manifest::parse(&Arc::new(Source::new("", text.to_owned()))).0.into_iter().next()
}

/// The documents of a file, which together are the file. Comments above a document are below the `---` before it.
fn documents(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if let Some(last) = found.last_mut() {
            last.push_str(line);
        }
        // What is above the first document may end with such a line, too.
        if line.trim_end() == "---" && found.last().is_some_and(|text| has_content(text)) {
            found.push(String::new());
        }
    }
    found
}

fn has_content(text: &str) -> bool {
    text.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#') && line.trim_end() != "---")
}

/// A text with what stands at a place of one line replaced.
fn replace(text: &str, place: &Location, with: &str) -> Option<String> {
    let offset = |line: u32, column: u32| {
        let above: usize =
            text.split_inclusive('\n').take(usize::try_from(line).ok()?.checked_sub(1)?).map(str::len).sum();
        let in_line = text.get(above..)?.char_indices().nth(usize::try_from(column).ok()?.checked_sub(1)?)?.0;
        above.checked_add(in_line)
    };
    let (start, end) = (offset(place.line, place.column)?, offset(place.end_line, place.end_column)?);
    Some(format!("{}{with}{}", text.get(..start)?, text.get(end..)?))
}

/// The first heading and the first paragraph below it.
fn heading(readme: &str) -> (String, String) {
    let mut lines = readme.lines().skip_while(|line| !line.starts_with("# "));
    let title = lines.next().map(|line| line.trim_start_matches('#').trim().to_owned()).unwrap_or_default();
    let paragraph = lines.skip_while(|line| line.trim().is_empty()).take_while(|line| !line.trim().is_empty());
    (title, words(&paragraph.collect::<Vec<_>>().join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACK: EmbeddedPack = EmbeddedPack {
        name: "demo",
        constraints: "\
# What this is.
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: A
metadata: {name: a}
spec:
  enforcementAction: warn # é: for now
---
# The second.
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: B
metadata: {name: b}
spec: {enforcementAction: \"warn\", parameters: {}}
",
        readme: "# Demo pack\n\nFor\ntests.\n\nMore.\n",
    };

    #[test]
    fn texts_of_constraints_make_up_the_file() {
        let pack = Pack::read(&PACK);
        let whole: String = pack.constraints.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(whole, PACK.constraints);
        assert_eq!((pack.title.as_str(), pack.description.as_str()), ("Demo pack", "For tests."));
        assert_eq!(pack.kinds(), ["A", "B"]);
    }

    #[test]
    fn another_action_changes_nothing_else() {
        let pack = Pack::read(&PACK);
        let denying = |one: &PackConstraint| one.with_action(&EnforcementAction::Deny);
        let whole: String = pack.constraints.iter().map(|one| denying(one).text).collect();
        assert_eq!(whole, PACK.constraints.replace("Action: warn", "Action: deny").replace("\"warn\"", "deny"));
        assert!(pack.constraints.iter().all(|one| denying(one).action() == EnforcementAction::Deny));
    }
}
