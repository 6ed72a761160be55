//! Files that are replaced: as a whole or not at all.

use std::io::Write;
use std::path::Path;

use crate::manifest::Source;

/// Replaces a file, or leaves it as it is: whoever reads it meanwhile sees one or the other.
pub(super) fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    // A link stays one.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).map_or(0o666, |metadata| metadata.permissions().mode() & 0o777);
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    let mut file = builder.tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Puts a changed text back into the file that it was read from, unless somebody else changed that since. The error is for
/// people.
pub(super) fn write_back(source: &Source, text: &str) -> Result<(), String> {
    let name = source.name();
    let path = Path::new(name.as_ref());
    if !path.is_file() {
        return Err(format!("{name} is no file, so nothing can be written to it"));
    }
    let failed = |error: std::io::Error| format!("failed to write {name}: {error}");
    let mark = if source.is_marked() { "\u{feff}" } else { "" };
    let now = std::fs::read_to_string(path).map_err(failed)?;
    if now != format!("{mark}{}", source.text()) {
        return Err(format!("{name} is not what was read any more, and was left alone; run the command again"));
    }
    write_whole(path, &format!("{mark}{text}")).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_only_what_is_as_it_was_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.yaml");
        let name = path.to_str().unwrap();
        std::fs::write(&path, "\u{feff}a: 1\n").unwrap();
        let source = Source::new(name, "\u{feff}a: 1\n".to_owned());
        write_back(&source, "a: 2\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "\u{feff}a: 2\n");
        assert!(write_back(&source, "a: 3\n").unwrap_err().contains("left alone"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "\u{feff}a: 2\n");
        let nameless = Source::new("<stdin>", "a: 1\n".to_owned());
        assert!(write_back(&nameless, "a: 2\n").unwrap_err().contains("is no file"));
    }
}
