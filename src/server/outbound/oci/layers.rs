//! Layers to files: one file that its title names, or an archive.

use std::io::Read;
use std::path::{Component, Path};

use flate2::read::GzDecoder;
use serde_json::Value;

use super::MAX_FILES_BYTES;

const TITLE: &str = "org.opencontainers.image.title";
/// ORAS packs directories.
const UNPACK: &str = "io.deis.oras.content.unpack";
const EXTENSIONS: [&str; 3] = [".yaml", ".yml", ".json"];
/// Gzip begins so.
const GZIP: [u8; 2] = [0x1f, 0x8b];

type File = (String, Vec<u8>);

/// The files of a layer that may hold policies.
pub(super) fn files(layer: &Value, bytes: Vec<u8>) -> Result<Vec<File>, String> {
    let annotation = |key: &str| layer.get("annotations")?.get(key)?.as_str();
    match annotation(TITLE) {
        Some(title) if annotation(UNPACK) != Some("true") => {
            Ok(if is_wanted(title) { vec![(title.to_owned(), bytes)] } else { Vec::new() })
        }
        _ if bytes.starts_with(&GZIP) => unpack(GzDecoder::new(bytes.as_slice())),
        _ => unpack(bytes.as_slice()),
    }
}

fn unpack(archive: impl Read) -> Result<Vec<File>, String> {
    let failed = |error: std::io::Error| format!("a layer of it cannot be unpacked: {error}");
    let mut files = Vec::new();
    // What it unpacks to is bounded as well: a small archive may hold much of the same.
    let mut archive = tar::Archive::new(archive.take(2 * MAX_FILES_BYTES as u64));
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let path = shown(&entry.path().map_err(failed)?);
        if entry.header().entry_type().is_file() && is_wanted(&path) {
            let mut bytes = Vec::new();
            (&mut entry).take(MAX_FILES_BYTES as u64).read_to_end(&mut bytes).map_err(failed)?;
            files.push((path, bytes));
        }
    }
    Ok(files)
}

fn is_wanted(path: &str) -> bool {
    EXTENSIONS.iter().any(|extension| path.ends_with(extension))
}

/// Without what leads out of the archive.
fn shown(path: &Path) -> String {
    let parts = path.components().filter_map(|component| match component {
        Component::Normal(part) => Some(part.to_string_lossy()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_files_and_archives() {
        let titled = json!({"annotations": {TITLE: "a.yaml"}});
        assert_eq!(files(&titled, b"x".to_vec()), Ok(vec![("a.yaml".to_owned(), b"x".to_vec())]));
        assert_eq!(files(&json!({"annotations": {TITLE: "README.md"}}), b"x".to_vec()), Ok(vec![]));
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for name in ["dir/b.yaml", "dir/c.txt"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(1);
            archive.append_data(&mut header, name, b"y".as_slice()).unwrap();
        }
        let packed = archive.into_inner().unwrap().finish().unwrap();
        let layer = json!({"annotations": {TITLE: "dir", UNPACK: "true"}});
        assert_eq!(files(&layer, packed.clone()), Ok(vec![("dir/b.yaml".to_owned(), b"y".to_vec())]));
        assert_eq!(files(&json!({}), packed).map(|files| files.len()), Ok(1));
        assert!(files(&json!({}), b"no archive".to_vec()).is_err());
    }
}
