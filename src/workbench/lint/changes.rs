//! Findings in lines that have changed: what a diff says of them. Deliberately absent: where the diff comes from (`cli`).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Report;
use super::finding::{Finding, Precision};
use super::manifest::Manifest;
use crate::manifest::{Document, Location};
use crate::model::object::{FieldPath, ObjectKey};
use crate::workbench::bundle::{self, BundledObject};

/// What has changed in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// It is new, or nothing is known of it.
    Whole,
    /// These parts; none when it is as it was.
    Parts(Vec<Hunk>),
}

/// A part of a file that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// Its first line, or the line behind which lines are gone when there are none.
    pub first: u32,
    /// How many lines it has.
    pub lines: u32,
    /// Whether other lines stood here.
    pub removes: bool,
}

/// Policies that have changed, or their templates: by kind, or by kind and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedPolicies(BTreeSet<(String, Option<String>)>);

impl ChangedPolicies {
    /// Those among the objects of a report that stand in lines that `change` knows as changed.
    pub fn of(report: &Report, change: &dyn Fn(&str) -> FileChange) -> Self {
        let is_changed = |one: &&BundledObject| match change(one.document.source().name()) {
            FileChange::Whole => true,
            FileChange::Parts(hunks) => {
                let extent = one.document.locate(&FieldPath::root()).location;
                hunks.iter().any(|hunk| hunk.touches(&extent))
            }
        };
        let policies = report.read.iter().filter_map(Manifest::whole);
        let policies = policies.filter(|one| bundle::is_policy(one.object.gvk())).filter(is_changed);
        let names = policies.filter_map(|one| match one.object.gvk().kind.as_str() {
            "ConstraintTemplate" => {
                let kind = one.object.field(&["spec", "crd", "spec", "names", "kind"])?.as_str()?;
                Some((kind.to_owned(), None))
            }
            kind => Some((kind.to_owned(), Some(one.object.name().to_owned()))),
        });
        Self(names.collect())
    }

    /// `K8sRequiredLabels, K8sAllowedRepos/approved`; nothing when none has changed.
    pub fn names(&self) -> Option<String> {
        let name = |(kind, name): &(String, Option<String>)| match name {
            Some(name) => format!("{kind}/{name}"),
            None => kind.clone(),
        };
        (!self.0.is_empty()).then(|| self.0.iter().map(name).collect::<Vec<_>>().join(", "))
    }

    fn has(&self, finding: &Finding) -> bool {
        let (kind, name) = (&finding.rule.id, &finding.rule.constraint);
        let is_meant = |name: Option<String>| self.0.contains(&(kind.clone(), name));
        !name.is_empty() && (is_meant(None) || is_meant(Some(name.clone())))
    }
}

/// Takes findings out of a report that are in lines as they were, and of policies as they were. `change` knows the files by
/// their names in findings.
///
/// Something that is missing counts as changed where lines were taken out around it, too; and where only the object is
/// known, all of the object counts.
pub fn apply(report: &mut Report, policies: &ChangedPolicies, change: &dyn Fn(&str) -> FileChange) {
    let mut changes: HashMap<Arc<str>, FileChange> = HashMap::new();
    let manifests: HashMap<(ObjectKey, &str), &Manifest> =
        report.read.iter().map(|one| ((one.key(), one.source().name().as_ref()), one)).collect();
    let mut is_changed = |finding: &Finding| {
        let file = &finding.place.location.file;
        let manifest = manifests.get(&(finding.object.clone(), file.as_ref())).copied();
        let opened = manifest.and_then(|manifest| manifest.open().ok());
        for place in std::iter::once(&finding.place).chain(&finding.related) {
            let file = &place.location.file;
            changes.entry(Arc::clone(file)).or_insert_with(|| change(file));
        }
        let of = |location: &Location| changes.get(&location.file).unwrap_or(&FileChange::Whole);
        of(&finding.place.location).meets(finding, opened.as_ref().map(|opened| opened.document.as_ref()))
            || finding.related.iter().any(|place| of(&place.location).changes(&place.location))
    };
    let changed: Vec<bool> =
        report.findings.iter().map(|finding| policies.has(finding) || is_changed(finding)).collect();
    let mut changed = changed.into_iter();
    let before = report.findings.len();
    report.findings.retain(|_| changed.next().unwrap_or(true));
    report.left_out.unchanged += before - report.findings.len();
}

impl FileChange {
    fn meets(&self, finding: &Finding, document: Option<&Document>) -> bool {
        let Self::Parts(hunks) = self else { return true };
        let extent = |path: &FieldPath| document.map(|document| document.locate(path).location);
        match finding.precision {
            Precision::Value => self.changes(&finding.place.location),
            Precision::Enclosing => {
                let is_thinner = |around: Location| hunks.iter().any(|one| one.removes && one.touches(&around));
                self.changes(&finding.place.location) || extent(&finding.field).is_none_or(is_thinner)
            }
            Precision::Object => {
                extent(&FieldPath::root()).is_none_or(|object| hunks.iter().any(|one| one.touches(&object)))
            }
        }
    }

    /// Whether something in these lines has changed.
    fn changes(&self, location: &Location) -> bool {
        match self {
            Self::Whole => true,
            Self::Parts(hunks) => hunks.iter().any(|one| one.is_in(location)),
        }
    }
}

impl Hunk {
    fn is_in(self, location: &Location) -> bool {
        let is_below_start = self.first.saturating_add(self.lines) > location.line;
        match self.lines {
            0 => self.first >= location.line && self.first < location.end_line,
            _ => is_below_start && self.first <= location.end_line,
        }
    }

    /// As [`Hunk::is_in`], but lines that are gone count at the edges, too.
    fn touches(self, location: &Location) -> bool {
        match self.lines {
            0 => self.first.saturating_add(1) >= location.line && self.first <= location.end_line,
            _ => self.is_in(location),
        }
    }
}

/// Reads the output of `git diff --unified=0` with the prefixes `a/` and `b/`: files as they are called now, with what has
/// changed in them. Names that are not UTF-8 are left out.
pub fn parse_diff(diff: &[u8]) -> HashMap<String, FileChange> {
    let mut files: HashMap<String, FileChange> = HashMap::new();
    let mut current: Option<String> = None;
    // Lines of the hunk that are still to come, old and new: their text may look like a header.
    let (mut old, mut new) = (0_u32, 0_u32);
    for line in diff.split(|byte| *byte == b'\n') {
        match line.first() {
            Some(b'-') if old > 0 => old -= 1,
            Some(b'+') if new > 0 => new -= 1,
            _ => {
                if line.starts_with(b"diff --git ") {
                    current = None;
                } else if let Some(name) = line.strip_prefix(b"+++ ") {
                    current = file_name(name);
                    current.iter().for_each(|name| drop(files.insert(name.clone(), FileChange::Parts(Vec::new()))));
                } else if let Some(name) = line.strip_prefix(b"* Unmerged path ") {
                    files.extend(unquoted(name).map(|name| (name, FileChange::Whole)));
                } else if let Some((gone, hunk)) = hunk(line) {
                    (old, new) = (gone, hunk.lines);
                    if let Some(FileChange::Parts(hunks)) = current.as_ref().and_then(|name| files.get_mut(name)) {
                        hunks.push(hunk);
                    }
                }
            }
        }
    }
    files
}

/// `@@ -7,2 +6,0 @@ …`: how many lines are gone, and the part.
fn hunk(line: &[u8]) -> Option<(u32, Hunk)> {
    // Behind the numbers stands a piece of the file, which may be anything.
    let mut words = line.strip_prefix(b"@@ -")?.split(|byte| *byte == b' ').map(std::str::from_utf8);
    let (_, old) = range(words.next()?.ok()?)?;
    let (first, lines) = range(words.next()?.ok()?.strip_prefix('+')?)?;
    Some((old, Hunk { first, lines, removes: old > 0 }))
}

fn range(text: &str) -> Option<(u32, u32)> {
    let (first, lines) = text.split_once(',').unwrap_or((text, "1"));
    Some((first.parse().ok()?, lines.parse().ok()?))
}

/// `b/name`; `None` for a file that is gone.
fn file_name(text: &[u8]) -> Option<String> {
    unquoted(text)?.strip_prefix("b/").map(str::to_owned)
}

/// A name as git writes it: in quotes with escapes when it has unusual characters, with a tab behind it when it has blanks.
fn unquoted(text: &[u8]) -> Option<String> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        return String::from_utf8(text.strip_suffix(b"\t").unwrap_or(text).to_vec()).ok();
    };
    let mut name = Vec::new();
    let mut bytes = quoted.iter().copied();
    loop {
        match bytes.next()? {
            b'"' => return String::from_utf8(name).ok(),
            b'\\' => name.push(match bytes.next()? {
                b'a' => 7,
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                first @ b'0'..=b'7' => {
                    let digits = [first, bytes.next()?, bytes.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()?
                }
                other => other,
            }),
            other => name.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_git_writes() {
        let diff = b"diff --git a/a b.yaml b/a b.yaml\nindex 1..2 100644\n--- a/a b.yaml\t\n+++ b/a b.yaml\t\n\
            @@ -2 +2,2 @@ x: \xc3\xa9\xff\n--- a/gone\n+++ b/not-a-file\n+++ x\n@@ -9,3 +10,0 @@\n-a\n-b\n-c\n\
            \\ No newline at end of file\n\
            diff --git a/old.yaml b/new.yaml\nsimilarity index 100%\nrename from old.yaml\nrename to new.yaml\n\
            diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
            diff --git \"a/\\303\\251\\\"\\t.yaml\" \"b/\\303\\251\\\"\\t.yaml\"\nnew file mode 100644\n--- /dev/null\n\
            +++ \"b/\\303\\251\\\"\\t.yaml\"\n@@ -0,0 +1,2 @@\n+a\n+b\n* Unmerged path c.yaml\n";
        let found = parse_diff(diff);
        let part = |first, lines, removes| Hunk { first, lines, removes };
        let expected = [
            ("a b.yaml", FileChange::Parts(vec![part(2, 2, true), part(10, 0, true)])),
            ("é\"\t.yaml", FileChange::Parts(vec![part(1, 2, false)])),
            ("c.yaml", FileChange::Whole),
        ];
        assert_eq!(found, expected.map(|(name, change)| (name.to_owned(), change)).into());
    }

    #[test]
    fn nonsense_is_no_diff() {
        for text in
            [&b""[..], b"@@ -x +1 @@", b"@@ -1", b"+++ \"b/\\", b"+++ \"b/\\777\"", b"\xff", b"@@ -1 +99999999999 @@"]
        {
            assert!(parse_diff(text).is_empty());
        }
    }

    #[test]
    fn hunks_meet_lines() {
        let at = |line, end_line| Location { file: "f".into(), line, column: 1, end_line, end_column: 1 };
        let hunk = |first, lines| Hunk { first, lines, removes: true };
        for (hunk, location, is_in, touches) in [
            (hunk(3, 2), at(4, 4), true, true),
            (hunk(3, 2), at(5, 9), false, false),
            (hunk(3, 2), at(1, 3), true, true),
            (hunk(3, 2), at(1, 2), false, false),
            (hunk(3, 0), at(3, 3), false, true),
            (hunk(3, 0), at(4, 6), false, true),
            (hunk(3, 0), at(2, 4), true, true),
            (hunk(3, 0), at(5, 6), false, false),
            (hunk(0, 0), at(1, 1), false, true),
        ] {
            assert_eq!((hunk.is_in(&location), hunk.touches(&location)), (is_in, touches), "{hunk:?} {location:?}");
        }
    }
}
