//! Files and standard input to documents: [`read`], [`read_file`]; or first to what there is to read, for those who read on
//! several cores: [`unread`].

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::discover::{Input, discover_with, shown, unreadable};
use super::document::Document;
use super::error::ManifestError;
use super::list::flatten;
use super::parse::{parse, parse_values};
use super::read_options::ReadOptions;
use super::source::{Position, Source, Span};

/// How long a file may say that it is before that is believed: a file of nothing but holes is as long as it likes.
const TRUSTED_LENGTH: u64 = 1 << 20;
/// How people see the name of standard input.
const STDIN: &str = "<stdin>";

/// All documents in the files, directories and the input, `List`s taken apart, and everything that is wrong with them.
///
/// The files come first, in the order of the paths, then the input.
pub fn read(paths: &[PathBuf], stdin: Option<&mut dyn Read>) -> (Vec<Document>, Vec<ManifestError>) {
    read_with(paths, stdin, &ReadOptions::default())
}

/// The same for paths that may be more: see [`ReadOptions`].
pub fn read_with(
    paths: &[PathBuf],
    stdin: Option<&mut dyn Read>,
    options: &ReadOptions,
) -> (Vec<Document>, Vec<ManifestError>) {
    let (inputs, mut errors) = unread(paths, stdin, options);
    let mut documents = Vec::new();
    for input in inputs {
        let (mut found, mut problems) = input.read();
        documents.append(&mut found);
        errors.append(&mut problems);
    }
    (documents, errors)
}

/// A text to read; each stands for itself.
#[derive(Debug)]
pub struct Unread(Text);

#[derive(Debug)]
enum Text {
    File { path: PathBuf, largest: u64 },
    Known(Result<Source, ManifestError>),
}

/// What [`read_with`] reads, in the same order, with what is wrong with the paths. The input can be read only once, and is.
pub fn unread(
    paths: &[PathBuf],
    mut stdin: Option<&mut dyn Read>,
    options: &ReadOptions,
) -> (Vec<Unread>, Vec<ManifestError>) {
    let (mut inputs, errors) = discover_with(paths, options);
    if stdin.is_some() && !options.reads_dash {
        inputs.push(Input::Stdin);
    }
    let text = |input| match (input, &mut stdin) {
        (Input::File(path), _) => Text::File { path, largest: options.largest },
        (Input::Stdin, Some(stdin)) => Text::Known(read_stdin(*stdin, options.largest)),
        (Input::Stdin, None) => Text::Known(Err(ManifestError::whole_file(STDIN, "there is no input to read"))),
    };
    (inputs.into_iter().map(text).map(Unread).collect(), errors)
}

impl Unread {
    /// Its documents, `List`s taken apart, and everything that is wrong with it.
    pub fn read(self) -> (Vec<Document>, Vec<ManifestError>) {
        let source = match self.0 {
            Text::File { path, largest } => read_bounded(&path, largest),
            Text::Known(source) => source,
        };
        let (mut documents, mut errors) = (Vec::new(), Vec::new());
        match source {
            Ok(source) => read_source(&Arc::new(source), &mut documents, &mut errors),
            Err(error) => errors.push(error),
        }
        (documents, errors)
    }
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
    read_bounded(path, u64::MAX)
}

fn read_bounded(path: &Path, largest: u64) -> Result<Source, ManifestError> {
    let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let name = shown(path);
    if length > largest {
        return Err(too_large(&name, &mebibytes(length), largest));
    }
    // A pipe under a file's name has no length.
    let bytes = read_bytes(file, length, largest).map_err(|error| unreadable(path, &error))?;
    let bytes = bytes.ok_or_else(|| too_large(&name, "more", largest))?;
    decode(&name, bytes)
}

/// All bytes, about as many as said, `None` when there are more than allowed.
fn read_bytes(input: impl Read, length: u64, largest: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(TRUSTED_LENGTH)).unwrap_or_default());
    input.take(largest.saturating_add(1)).read_to_end(&mut bytes)?;
    let is_bounded = u64::try_from(bytes.len()).is_ok_and(|length| length <= largest);
    Ok(is_bounded.then_some(bytes))
}

fn too_large(name: &str, found: &str, largest: u64) -> ManifestError {
    let message = format!("holds {found}, expected at most {}", mebibytes(largest));
    ManifestError::whole_file(name, message).with_help("split it, or leave it out if it is no manifest")
}

fn mebibytes(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{bytes} bytes") } else { format!("{} MiB", bytes.div_ceil(1 << 20)) }
}

/// The documents of a text that is in memory, `List`s taken apart, under the name to show for it.
pub fn read_named(name: &str, bytes: Vec<u8>) -> (Vec<Document>, Vec<ManifestError>) {
    let (mut documents, mut errors) = (Vec::new(), Vec::new());
    match decode(name, bytes) {
        Ok(source) => read_source(&Arc::new(source), &mut documents, &mut errors),
        Err(error) => errors.push(error),
    }
    (documents, errors)
}

fn read_source(source: &Arc<Source>, documents: &mut Vec<Document>, errors: &mut Vec<ManifestError>) {
    let (parsed, mut problems) = parse_values(source);
    errors.append(&mut problems);
    for document in parsed {
        let (mut parts, mut problems) = flatten(document);
        parts.iter_mut().for_each(Document::forget_places);
        documents.append(&mut parts);
        errors.append(&mut problems);
    }
}

fn read_stdin(input: &mut dyn Read, largest: u64) -> Result<Source, ManifestError> {
    let read = read_bytes(input, 0, largest);
    let bytes = read.map_err(|error| ManifestError::whole_file(STDIN, format!("cannot be read: {error}")))?;
    decode(STDIN, bytes.ok_or_else(|| too_large(STDIN, "more", largest))?)
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
