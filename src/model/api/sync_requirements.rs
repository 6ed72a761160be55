//! The annotation by which a template says which kinds it wants to find in `data.inventory`.

use serde::Deserialize;

use crate::model::object::{GroupVersionKind, Object};

/// Gatekeeper's annotation on ConstraintTemplates.
pub const REQUIRES_SYNC_DATA: &str = "metadata.gatekeeper.sh/requires-sync-data";

/// Kinds of which one is enough.
pub type SyncRequirement = Vec<GroupVersionKind>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KindSet {
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default)]
    kinds: Vec<String>,
}

/// Reads the annotation of a template: all requirements have to be met; none when there is no annotation.
///
/// # Errors
/// What is wrong with its text, and what was expected.
pub fn sync_requirements(template: &Object) -> Result<Vec<SyncRequirement>, String> {
    let text = template.annotations().value(REQUIRES_SYNC_DATA).unwrap_or_default();
    // Written as a YAML block, or quoted twice.
    let text = text.trim_matches(['\n', '"', '\'']);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let read: Result<Vec<Vec<KindSet>>, _> = serde_json::from_str(text);
    let expected = r#"expected JSON such as [[{"groups": [""], "versions": ["v1"], "kinds": ["Service"]}]]"#;
    let sets = read.map_err(|error| format!("annotation {REQUIRES_SYNC_DATA} cannot be read: {error}; {expected}"))?;
    Ok(sets.iter().map(|one_of| one_of.iter().flat_map(KindSet::all).collect()).collect())
}

impl KindSet {
    fn all(&self) -> Vec<GroupVersionKind> {
        let mut all = Vec::new();
        for group in &self.groups {
            for version in &self.versions {
                all.extend(self.kinds.iter().map(|kind| GroupVersionKind {
                    group: group.clone(),
                    version: version.clone(),
                    kind: kind.clone(),
                }));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Vec<Vec<String>>, String> {
        let template = json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
            "metadata": {"name": "a", "annotations": {REQUIRES_SYNC_DATA: text}}});
        let requirements = sync_requirements(&Object::from_value(template).unwrap())?;
        Ok(requirements.iter().map(|one_of| one_of.iter().map(ToString::to_string).collect()).collect())
    }

    #[test]
    fn all_of_the_outer_list_and_one_of_the_inner() {
        let text = "\n\"[[{\"groups\": [\"\", \"apps\"], \"versions\": [\"v1\"], \"kinds\": [\"A\", \"B\"]},
            {\"groups\": [\"g\"], \"versions\": [\"v2\"], \"kinds\": [\"C\"]}], []]\"\n";
        let gvk = |group: &str, version: &str, kind: &str| {
            GroupVersionKind { group: group.into(), version: version.into(), kind: kind.into() }.to_string()
        };
        let first = vec![
            gvk("", "v1", "A"),
            gvk("", "v1", "B"),
            gvk("apps", "v1", "A"),
            gvk("apps", "v1", "B"),
            gvk("g", "v2", "C"),
        ];
        assert_eq!(read(text), Ok(vec![first, vec![]]));
        assert_eq!(read("\n''\n"), Ok(vec![]));
    }

    #[test]
    fn mistakes_are_told() {
        for (text, expected) in [
            ("[[{\"group\": [\"\"]}]]", "unknown field `group`"),
            ("[{\"groups\": []}]", "invalid type: map"),
            ("services", "expected value at line 1 column 1"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected) && error.contains("expected JSON such as"), "{text}: {error}");
        }
    }
}
