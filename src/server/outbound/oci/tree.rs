//! Archives laid over each other: which files an image has in the end, without a file system.
//!
//! A layer takes away what its whiteouts name, then adds its entries. Links are followed within the image: a policy behind a
//! link counts, one behind a link that leads nowhere is an error. Who is there under several names counts once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, Read};

use tar::{Archive, Entry, EntryType};

use super::layers::is_wanted;
use super::{MAX_FILES_BYTES, PulledBytes};

/// What is no YAML or JSON is kept up to this, all of it and each, since a link may make it a policy.
const MAX_OTHERS_BYTES: usize = 64 << 20;
const MAX_OTHER_BYTES: usize = 1 << 20;
/// So many links there may be on the way to a file.
const MAX_LINKS: usize = 40;
/// Before the name of a file of the layers below that is gone.
const WHITEOUT: &str = ".wh.";
/// All of a directory is gone.
const OPAQUE: &str = ".wh..wh..opq";
/// File systems leave marks of their own, which are no files.
const MARK: &str = ".wh..wh.";

/// Paths, without what leads out of the image, and what is there.
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
    /// So that hard links share them.
    contents: Vec<Vec<u8>>,
    /// So many bytes more may be read, of YAML and JSON, and of others.
    left: usize,
    left_for_others: usize,
}

#[derive(Clone)]
enum Node {
    /// A number of `contents`.
    File(usize),
    /// Too large to be kept for a link.
    Unread,
    /// Where to, as it is written.
    Link(String),
    /// Directories, and what can have no content.
    Other,
}

/// What an archive says of a path.
enum Change {
    Put(Node),
    /// Another name for a file.
    Same(String),
    /// Not in the layers below any more.
    Gone,
    /// The directory has nothing of the layers below.
    Emptied,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: BTreeMap::new(), contents: Vec::new(), left: MAX_FILES_BYTES, left_for_others: MAX_OTHERS_BYTES }
    }
}

impl Tree {
    /// Adds an archive. Whiteouts are there in layers of images only.
    pub(super) fn lay(&mut self, archive: impl Read, is_layer: bool) -> Result<(), String> {
        let failed = |error: Error| format!("cannot be unpacked: {error}");
        let mut archive = Archive::new(archive);
        let mut changes = Vec::new();
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let path = normal(&String::from_utf8_lossy(&entry.path_bytes()));
            changes.extend(whiteout(&path, is_layer).map_or_else(|| self.read(path, &mut entry), Ok)?);
        }
        // Wherever they are in the archive, whiteouts are about the layers below.
        let (gone, added): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|(_, change)| matches!(change, Change::Gone | Change::Emptied));
        for (path, change) in gone {
            let path = self.behind_parents(&path)?;
            self.clear(&path);
            if matches!(change, Change::Gone) {
                self.nodes.remove(&path);
            }
        }
        added.into_iter().try_for_each(|(path, change)| self.put(&path, change))
    }

    fn read(&mut self, path: String, entry: &mut Entry<'_, impl Read>) -> Result<Option<(String, Change)>, String> {
        let target =
            entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned()).unwrap_or_default();
        let change = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                Change::Put(self.content(&path, entry)?)
            }
            EntryType::Symlink => Change::Put(Node::Link(target)),
            EntryType::Link => Change::Same(normal(&target)),
            EntryType::XGlobalHeader => return Ok(None),
            EntryType::Directory => Change::Put(Node::Other),
            _ if is_wanted(&path) => return Err(format!("has {path}, which is neither a file nor a link to one")),
            _ => Change::Put(Node::Other),
        };
        Ok(Some((path, change)))
    }

    fn content(&mut self, path: &str, entry: &mut impl Read) -> Result<Node, String> {
        let is_wanted = is_wanted(path);
        let most = if is_wanted { self.left } else { self.left_for_others.min(MAX_OTHER_BYTES) };
        let mut bytes = Vec::new();
        let read = entry.take(most as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| format!("cannot be unpacked: {path}: {error}"))?;
        match (bytes.len() > most, is_wanted) {
            (true, true) => {
                return Err(format!("has {path}, with which its files are more than {} MiB", MAX_FILES_BYTES >> 20));
            }
            (true, false) => return Ok(Node::Unread),
            (false, true) => self.left -= bytes.len(),
            (false, false) => self.left_for_others -= bytes.len(),
        }
        self.contents.push(bytes);
        Ok(Node::File(self.contents.len() - 1))
    }

    fn put(&mut self, path: &str, change: Change) -> Result<(), String> {
        let path = self.behind_parents(path)?;
        let node = match change {
            Change::Put(node) => node,
            Change::Same(target) => {
                let found = self.nodes.get(&self.behind_parents(&target)?).cloned();
                match found {
                    None if is_wanted(&path) => {
                        return Err(format!("has {path}, a link to {target}, which is not there"));
                    }
                    found => found.unwrap_or(Node::Other),
                }
            }
            Change::Gone | Change::Emptied => return Ok(()),
        };
        // A directory leaves what is in it, all else takes its place.
        if !matches!(node, Node::Other) {
            self.clear(&path);
        }
        for (at, _) in path.match_indices('/') {
            let parent = path.get(..at).unwrap_or_default();
            if matches!(self.nodes.get(parent), Some(Node::File(_) | Node::Unread)) {
                self.nodes.remove(parent);
            }
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    /// Takes away what is below a path.
    fn clear(&mut self, path: &str) {
        // `0` follows `/`.
        let below: Vec<_> = if path.is_empty() {
            self.nodes.keys().cloned().collect()
        } else {
            self.nodes.range(format!("{path}/")..format!("{path}0")).map(|(path, _)| path.clone()).collect()
        };
        for path in below {
            self.nodes.remove(&path);
        }
    }

    /// The YAML and JSON files, by path.
    pub(super) fn files(mut self) -> Result<Vec<PulledBytes>, String> {
        let (mut files, mut links, mut listed) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (path, node) in self.nodes.iter().filter(|(path, _)| is_wanted(path)) {
            match node {
                Node::File(number) => files.push((path.clone(), *number)),
                Node::Link(target) => links.push((path.clone(), target.clone())),
                Node::Unread => return Err(format!("has {path}, {}", too_large("another file"))),
                Node::Other => {}
            }
        }
        for (path, target) in links {
            let found = self.resolve(&path)?;
            match self.nodes.get(&found) {
                Some(Node::File(number)) => files.push((path, *number)),
                Some(Node::Unread) => return Err(format!("has {path}, {}", too_large(&target))),
                // What is in a directory is found without the link.
                Some(Node::Other | Node::Link(_)) => {}
                None if self.nodes.range(format!("{found}/")..format!("{found}0")).next().is_some() => {}
                None => return Err(format!("has {path}, a link to {target}, which is not there")),
            }
        }
        let mut taken = Vec::new();
        for (path, number) in files {
            if listed.insert(number) {
                taken.push((path, self.contents.get_mut(number).map(std::mem::take).unwrap_or_default()));
            }
        }
        Ok(taken)
    }

    /// Where a path leads to when the directories on it may be links.
    fn behind_parents(&self, path: &str) -> Result<String, String> {
        match path.rsplit_once('/') {
            Some((parent, name)) => Ok(join(&self.resolve(parent)?, name)),
            None => Ok(path.to_owned()),
        }
    }

    /// Where a path leads to in the end; nothing need be there.
    fn resolve(&self, path: &str) -> Result<String, String> {
        let mut waiting: Vec<String> = path.rsplit('/').map(str::to_owned).collect();
        let (mut found, mut links) = (String::new(), 0);
        while let Some(part) = waiting.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    found.truncate(found.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let next = join(&found, &part);
            let Some(Node::Link(target)) = self.nodes.get(&next) else {
                found = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(format!("has {path}, a link that leads to itself"));
            }
            if target.starts_with('/') {
                found.clear();
            }
            waiting.extend(target.rsplit('/').map(str::to_owned));
        }
        Ok(found)
    }
}

fn too_large(target: &str) -> String {
    format!("a link to {target}, which has more than {} MiB and is no YAML or JSON by its name", MAX_OTHER_BYTES >> 20)
}

/// What a mark of a layer says; nothing if the path is none.
fn whiteout(path: &str, is_layer: bool) -> Option<Option<(String, Change)>> {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let gone = name.strip_prefix(WHITEOUT).filter(|_| is_layer)?;
    Some(match name {
        OPAQUE => Some((parent.to_owned(), Change::Emptied)),
        name if name.starts_with(MARK) => None,
        _ => Some((join(parent, gone), Change::Gone)),
    })
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") }
}

/// Without what leads out of the image.
fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use tar::{Builder, Header};

    use super::*;

    fn archive(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, path, text) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            if *kind == Regular {
                header.set_size(text.len() as u64);
                builder.append_data(&mut header, path, text.as_bytes()).unwrap();
            } else {
                header.set_size(0);
                builder.append_link(&mut header, path, text).unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    #[track_caller]
    fn check(layers: &[&[(EntryType, &str, &str)]], expected: Result<&[(&str, &str)], &str>) {
        let mut tree = Tree::default();
        let laid = layers.iter().try_for_each(|layer| tree.lay(archive(layer).as_slice(), true));
        let found = laid.and_then(|()| tree.files());
        let expected = expected.map_err(str::to_owned).map(|files| {
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect::<Vec<_>>()
        });
        assert_eq!(found, expected);
    }

    use EntryType::{Link, Regular, Symlink};

    #[test]
    fn follows_links() {
        check(&[&[(Regular, "real/x", "x"), (Symlink, "p/a.yaml", "../real/x")]], Ok(&[("p/a.yaml", "x")]));
        check(&[&[(Regular, "real/x", "x"), (Link, "p/a.yaml", "real/x")]], Ok(&[("p/a.yaml", "x")]));
        // As volumes of a cluster have it: the same files behind a link to their directory.
        let volume = [(Regular, "..1/a.yaml", "x"), (Symlink, "..data", "..1"), (Symlink, "a.yaml", "..data/a.yaml")];
        check(&[&volume], Ok(&[("..1/a.yaml", "x")]));
        check(&[&[(Symlink, "a.yaml", "/usr/../lib/b"), (Regular, "lib/b", "x")]], Ok(&[("a.yaml", "x")]));
        check(&[&[(Symlink, "a.yaml", "b")]], Err("has a.yaml, a link to b, which is not there"));
        check(&[&[(Link, "a.yaml", "b")]], Err("has a.yaml, a link to b, which is not there"));
        check(&[&[(Symlink, "a.yaml", "a.yaml")]], Err("has a.yaml, a link that leads to itself"));
        check(&[&[(Symlink, "lib", "usr/lib")], &[(Regular, "lib/a.yaml", "x")]], Ok(&[("usr/lib/a.yaml", "x")]));
    }

    #[test]
    fn what_is_too_large_is_never_cut() {
        let lay =
            |left| Tree { left, ..Tree::default() }.lay(archive(&[(Regular, "a.yaml", "four")]).as_slice(), false);
        assert_eq!(lay(4), Ok(()));
        assert_eq!(lay(3), Err("has a.yaml, with which its files are more than 256 MiB".to_owned()));
        let mut linked = Tree { left_for_others: 0, ..Tree::default() };
        linked.lay(archive(&[(Regular, "b", "x"), (Symlink, "c.yaml", "b")]).as_slice(), false).unwrap();
        assert!(linked.files().is_err_and(|why| why.starts_with("has c.yaml, a link to b, which has more than 1 MiB")));
    }

    #[test]
    fn what_layers_take_away_is_gone() {
        let below: &[_] = &[(Regular, "p/a.yaml", "a"), (Regular, "p/b.yaml", "b"), (Regular, "p0/c.yaml", "c")];
        check(&[below, &[(Regular, "p/.wh.a.yaml", "")]], Ok(&[("p/b.yaml", "b"), ("p0/c.yaml", "c")]));
        check(
            &[below, &[(Regular, "p/d.yaml", "d"), (Regular, "p/.wh..wh..opq", "")]],
            Ok(&[("p/d.yaml", "d"), ("p0/c.yaml", "c")]),
        );
        check(&[below, &[(Regular, ".wh.p", "")]], Ok(&[("p0/c.yaml", "c")]));
        check(&[below, &[(Regular, "p", "")]], Ok(&[("p0/c.yaml", "c")]));
        check(
            &[below, &[(Regular, "p/a.yaml", "new")]],
            Ok(&[("p/a.yaml", "new"), ("p/b.yaml", "b"), ("p0/c.yaml", "c")]),
        );
        check(&[below, &[(Regular, "p/.wh..wh.plnk", ""), (Regular, ".wh..wh..opq", "")]], Ok(&[]));
    }
}
