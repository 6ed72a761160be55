//! Inputs as people name them for linting: files, directories, patterns, `-`; and texts that are hard to read.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use admit::manifest::{Document, ManifestError, ReadOptions, read, read_with};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n";

/// A directory with these files; a name that ends with a slash is a directory, `a -> b` a link.
fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let (name, target) = name.split_once(" -> ").map_or((*name, None), |(name, target)| (name, Some(target)));
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match target {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None if name.ends_with('/') => fs::create_dir_all(path).unwrap(),
            None => fs::write(path, text).unwrap(),
        }
    }
    directory
}

type Read = (Vec<Document>, Vec<ManifestError>);

fn lint(directory: &Path, paths: &[&str], stdin: Option<&str>) -> Read {
    let paths: Vec<PathBuf> =
        paths.iter().map(|path| if *path == "-" { "-".into() } else { directory.join(path) }).collect();
    let mut bytes = stdin.map(str::as_bytes);
    read_with(&paths, bytes.as_mut().map(|bytes| bytes as &mut dyn std::io::Read), &ReadOptions::lint())
}

/// The sources of the documents, and the errors.
#[track_caller]
fn check(directory: &tempfile::TempDir, paths: &[&str], sources: &[&str], errors: &[&str]) {
    let (documents, problems) = lint(directory.path(), paths, Some("a: input"));
    let root = format!("{}/", directory.path().display());
    let relative = |text: String| text.replace(&root, "");
    let found: Vec<_> = documents.iter().map(|document| relative(document.source().name().to_string())).collect();
    assert_eq!(found, sources, "{paths:?}");
    let problems: Vec<_> = problems.into_iter().map(|error| relative(error.to_string())).collect();
    assert_eq!(problems, errors, "{paths:?}");
}

const TREE: [(&str, &[u8]); 14] = [
    ("b.yml", b"a: 1"),
    ("a/one.yaml", b"a: 1"),
    ("a/deep/er/two.yaml", b"a: 1"),
    ("a/note.txt", b"a: 1"),
    ("a/.hidden.yaml", b"a: 1"),
    (".cache/x.yaml", b"a: 1"),
    ("a/.git/x.yaml", b"a: 1"),
    ("out/x.yaml", b"a: 1"),
    ("out/keep.yaml", b"a: 1"),
    ("a/ignored.json", b"{}"),
    (".gitignore", b"/out/*\n!/out/keep.yaml\n"),
    ("a/.gitignore", b"*.json\n"),
    ("[x].yaml", b"a: 1"),
    ("a/deep/loop -> ..", b""),
];

#[test]
fn directories_are_read_without_what_git_ignores() {
    let directory = directory(&TREE);
    let below_a = ["a/.hidden.yaml", "a/deep/er/two.yaml", "a/one.yaml"];
    check(&directory, &["a"], &below_a, &[]);
    check(&directory, &[""], &[&["[x].yaml"], &below_a[..], &["b.yml", "out/keep.yaml"]].concat(), &[]);
    check(&directory, &["b.yml", "a", "b.yml"], &[&["b.yml"], &below_a[..]].concat(), &[]);
    // What is named is read, wherever it is and whatever it is called.
    check(
        &directory,
        &["out/x.yaml", "a/note.txt", ".cache", "a/ignored.json"],
        &["out/x.yaml", "a/note.txt", ".cache/x.yaml", "a/ignored.json"],
        &[],
    );
    // An ignored directory holds nothing that is not ignored.
    let nothing = ["found no .yaml, .yml or .json file in this directory"];
    fs::create_dir(directory.path().join("empty")).unwrap();
    check(&directory, &["empty"], &[], &[&format!("empty: {}", nothing[0])]);
}

#[test]
fn patterns_match_files() {
    let directory = directory(&TREE);
    check(&directory, &["a/*.yaml"], &["a/.hidden.yaml", "a/one.yaml"], &[]);
    check(
        &directory,
        &["**/*.yaml"],
        &["[x].yaml", "a/.hidden.yaml", "a/deep/er/two.yaml", "a/one.yaml", "out/keep.yaml"],
        &[],
    );
    check(&directory, &["a/**"], &["a/.hidden.yaml", "a/deep/er/two.yaml", "a/one.yaml"], &[]);
    check(&directory, &["a/*.t?t", "{b,c}.yml"], &["a/note.txt", "b.yml"], &[]);
    check(&directory, &["[x].yaml"], &["[x].yaml"], &[]);
    check(
        &directory,
        &["*.toml", "gone/*"],
        &[],
        &["*.toml: no file matches this pattern", "gone/*: no file matches this pattern"],
    );
    check(
        &directory,
        &["a/[.yaml", "b.yml"],
        &["b.yml"],
        &["a/[.yaml: as a pattern of file names, this is wrong: unclosed character class; missing ']'"],
    );
}

#[test]
fn a_dash_is_the_input() {
    let directory = directory(&TREE);
    check(&directory, &["b.yml", "-", "[x].yaml", "-"], &["b.yml", "<stdin>", "[x].yaml"], &[]);
    check(&directory, &["b.yml"], &["b.yml"], &[]);
    let (documents, errors) = lint(directory.path(), &["-"], None);
    assert!(documents.is_empty());
    assert_eq!(errors[0].to_string(), "<stdin>: there is no input to read");
}

#[test]
fn what_cannot_be_opened_does_not_stop_the_rest() {
    let directory = directory(&[
        ("a.yaml", b"a: 1"),
        ("gone.yaml -> nowhere", b""),
        ("round.yaml -> round.yaml", b""),
        ("note -> nowhere", b""),
        ("twice.yaml -> a.yaml", b""),
        ("d/up -> ..", b""),
    ]);
    let (documents, errors) = lint(directory.path(), &[""], None);
    assert_eq!(documents.len(), 1);
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].ends_with("gone.yaml: no such file or directory"), "{texts:?}");
    assert!(texts[1].contains("round.yaml: cannot be read: "), "{texts:?}");
    check(&directory, &["missing.yaml", "a.yaml"], &["a.yaml"], &["missing.yaml: no such file or directory"]);
}

/// `admit test` keeps to what Gatekeeper's `gator` reads.
#[test]
fn gator_reads_as_before() {
    let directory = directory(&TREE);
    let names = |paths: &[&str]| {
        let paths: Vec<PathBuf> = paths.iter().map(|path| directory.path().join(path)).collect();
        let (documents, errors) = read(&paths, Some(&mut b"a: 1".as_slice()));
        (documents.len(), errors.into_iter().map(|error| error.message).collect::<Vec<_>>())
    };
    // Ignored files count, and the input always does.
    assert_eq!(names(&[""]), (9, vec![]));
    let wrong =
        format!("path \"{}\" must be of extensions: [.yaml .yml .json]", directory.path().join("a/note.txt").display());
    assert_eq!(names(&["a/note.txt", "*.yaml"]), (1, vec![wrong, "no such file or directory".to_owned()]));
}

#[test]
fn hard_texts_are_documents_or_errors_with_a_place() {
    let laugh = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        format!("{text}a{level}: &a{level} [{below}]\n")
    });
    let directory = directory(&[
        ("1-binary.yaml", b"a: 1\nb: \xff"),
        ("2-utf16.yaml", b"\xff\xfea\0"),
        ("3-tab.yaml", b"a:\n\tb: 1"),
        ("4-laugh.yaml", laugh.as_bytes()),
        ("5-both.yaml", b"a: 1\n---\nb: [\n---\nc: 1\n"),
        ("6-lines.yaml", b"a: 1\r\nb:\r\n  c: 2\r\n---\r\nd: 1\r\n"),
        ("7-empty.yaml", b""),
        ("8-good.yaml", POD.as_bytes()),
    ]);
    let (documents, errors) = lint(directory.path(), &[""], None);
    let names: Vec<&str> = documents.iter().filter_map(|one| one.source().name().rsplit('/').next()).collect();
    assert_eq!(names, ["5-both.yaml", "5-both.yaml", "6-lines.yaml", "6-lines.yaml", "8-good.yaml"]);
    assert_eq!(documents[2].value()["b"]["c"], 2);
    let root = format!("{}/", directory.path().display());
    let texts: Vec<String> = errors.iter().map(|error| error.to_string().replace(&root, "")).collect();
    let expected = [
        "1-binary.yaml:2:4: byte 0xff at offset 8 is not UTF-8 text",
        "2-utf16.yaml: this is UTF-16 text (it starts with its byte order mark), expected UTF-8",
        "3-tab.yaml:2:1: found a tab where only spaces may indent",
        "4-laugh.yaml:",
        "5-both.yaml:3:4: `[` is opened and never closed",
    ];
    assert_eq!(texts.len(), expected.len(), "{texts:?}");
    texts.iter().zip(expected).for_each(|(text, start)| assert!(text.starts_with(start), "{text} is not {start}"));
    assert!(texts[3].contains("the aliases of this document expand to far more"), "{texts:?}");
}

#[test]
fn repeated_keys_have_both_places() {
    let text = "a: &a {x: 1, y: 1}\nb:\n  <<: *a\n  y: 2\nc:\n- k: 1\n  \"k\": 2\n  <<: *a\n\
        ---\n{\"j\": 1, \"j\": {\"i\": 1, \"i\": 2}}\n---\napiVersion: v1\nkind: List\nitems: [{m: 1, m: 2}]\n";
    let directory = directory(&[("a.yaml", text.as_bytes())]);
    let (documents, errors) = lint(directory.path(), &["a.yaml"], None);
    assert_eq!(errors, []);
    let found: Vec<Vec<String>> = documents
        .iter()
        .map(|document| {
            let place = |location: &admit::manifest::Location| format!("{}:{}", location.line, location.column);
            let repeated = document.repeated_keys().into_iter();
            repeated.map(|it| format!("{} {} {}", it.path, place(&it.first), place(&it.again))).collect()
        })
        .collect();
    let expected: [&[&str]; 3] = [&["c[0].k 6:3 7:3"], &["j 10:2 10:10", "j.i 10:16 10:24"], &["m 14:10 14:16"]];
    assert_eq!(found, expected);
}

#[test]
fn files_beyond_the_bound_are_refused_unread() {
    let directory = directory(&[("big.yaml", b""), ("small.yaml", b"a: 1")]);
    // A file with a hole takes no space.
    fs::File::options().write(true).open(directory.path().join("big.yaml")).unwrap().set_len(5 << 30).unwrap();
    let begun = Instant::now();
    check(&directory, &[""], &["small.yaml"], &["big.yaml: holds 5120 MiB, expected at most 128 MiB"]);
    assert!(begun.elapsed() < Duration::from_secs(5));
    let options = ReadOptions { largest: 10, ..ReadOptions::lint() };
    let (documents, errors) = read_with(&["-".into()], Some(&mut std::io::repeat(b'x')), &options);
    assert!(documents.is_empty());
    assert_eq!(errors[0].to_string(), "<stdin>: holds more, expected at most 10 bytes");
}
