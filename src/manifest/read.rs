//! Files and standard input to documents: [`read`], [`read_file`].

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::discover::{discover, shown, unreadable};
use super::document::Document;
use super::error::ManifestError;
use super::list::flatten;
use super::parse::parse;
use super::source::{Position, Source, Span};

/// How people see the name of standard input.
const STDIN: &str = "<stdin>";

/// All documents in the files, directories and the input, `List`s taken apart, and everything that is wrong with them.
///
/// The files come first, in the order of the paths, then the input.
pub fn read(paths: &[PathBuf], stdin: Option<&mut dyn Read>) -> (Vec<Document>, Vec<ManifestError>) {
    let (files, mut errors) = discover(paths);
    let mut documents = Vec::new();
    let inputs = files.iter().map(|path| read_text(path));
    for source in inputs.chain(stdin.map(read_stdin)) {
        match source {
            Ok(source) => read_source(&Arc::new(source), &mut documents, &mut errors),
            Err(error) => errors.push(error),
        }
    }
    (documents, errors)
}

/// The documents of one file, whatever its name ends with, `List`s left whole, and everything that is wrong with it.
pub fn read_file(path: &Path) -> (Vec<Document>, Vec<ManifestError>) {
    match read_text(path) {
        Ok(source) => parse(&Arc::new(source)),
        Err(error) => (Vec::new(), vec![error]),
    }
}

/// The text of one file, whatever is in it.
///
/// # Errors
/// When it cannot be read or is not text; with the place.
pub fn read_text(path: &Path) -> Result<Source, ManifestError> {
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    decode(&shown(path), bytes)
}

/// The documents of a text that is in memory, `List`s taken apart, under the name to show for it.
pub fn read_bytes(name: &str, bytes: Vec<u8>) -> (Vec<Document>, Vec<ManifestError>) {
    let (mut documents, mut errors) = (Vec::new(), Vec::new());
    match decode(name, bytes) {
        Ok(source) => read_source(&Arc::new(source), &mut documents, &mut errors),
        Err(error) => errors.push(error),
    }
    (documents, errors)
}

fn read_source(source: &Arc<Source>, documents: &mut Vec<Document>, errors: &mut Vec<ManifestError>) {
    let (parsed, mut problems) = parse(source);
    errors.append(&mut problems);
    for document in parsed {
        let (mut parts, mut problems) = flatten(document);
        documents.append(&mut parts);
        errors.append(&mut problems);
    }
}

fn read_stdin(input: &mut dyn Read) -> Result<Source, ManifestError> {
    let mut bytes = Vec::new();
    let read = input.read_to_end(&mut bytes);
    read.map_err(|error| ManifestError::whole_file(STDIN, format!("cannot be read: {error}")))?;
    decode(STDIN, bytes)
}

fn decode(name: &str, bytes: Vec<u8>) -> Result<Source, ManifestError> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        let error =
            ManifestError::whole_file(name, "this is UTF-16 text (it starts with its byte order mark), expected UTF-8");
        return Err(error.with_help("save it as UTF-8, for instance with `iconv -f UTF-16 -t UTF-8`"));
    }
    String::from_utf8(bytes).map(|text| Source::new(name, text)).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let (before, bad) = error.as_bytes().split_at_checked(offset).unwrap_or_default();
        let position = Position::START.after(&String::from_utf8_lossy(before));
        let byte = bad.first().copied().unwrap_or_default();
        let help = if before.contains(&0) || bad.contains(&0) {
            "this looks like a binary file; leave it out"
        } else {
            "save the file as UTF-8"
        };
        ManifestError {
            file: name.into(),
            span: Some(Span::at(position)),
            message: format!("byte 0x{byte:02x} at offset {offset} is not UTF-8 text"),
            help: Some(help.to_owned()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], errors: &[&str]) {
        let (documents, problems) = read(&[], Some(&mut &*bytes));
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), errors);
        assert_eq!(documents.is_empty(), !errors.is_empty());
    }

    #[test]
    fn only_utf_8_is_text() {
        check(b"\xef\xbb\xbfa: 1", &[]);
        check(b"a: 1\r\nb: \xff", &["<stdin>:2:4: byte 0xff at offset 9 is not UTF-8 text"]);
        check(b"\x7fELF\x00\xff", &["<stdin>:1:6: byte 0xff at offset 5 is not UTF-8 text"]);
        check(b"\xff\xfea\0", &["<stdin>: this is UTF-16 text (it starts with its byte order mark), expected UTF-8"]);
    }

    #[test]
    fn files_come_before_the_input() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.yaml"), "apiVersion: v1\nkind: List\nitems: [{name: 1}, {name: 2}]")
            .unwrap();
        let (documents, errors) = read(&[directory.path().to_path_buf()], Some(&mut b"name: 3".as_slice()));
        assert_eq!(errors, []);
        assert_eq!(
            documents.iter().map(|it| it.value()["name"].as_u64()).collect::<Vec<_>>(),
            [Some(1), Some(2), Some(3)]
        );
    }
}
