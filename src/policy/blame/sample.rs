//! Texts that a pattern matches: parameters often hold regular expressions or globs of what is allowed.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Longer samples are no samples.
const MAX_BYTES: usize = 64;

/// A text for what looks like a regular expression, and one for what looks like a glob.
pub(super) fn of_pattern(text: &str) -> Vec<String> {
    if !text.contains(['*', '+', '?', '[', '(', '^', '$', '\\', '|']) {
        return Vec::new();
    }
    let glob = text.contains('*').then(|| text.replace("**", "a").replace('*', "a"));
    let regex = regex_syntax::parse(text).ok().and_then(|hir| {
        let mut sample = String::new();
        write(&hir, &mut sample).then_some(sample)
    });
    regex.into_iter().chain(glob).filter(|sample| sample.len() <= MAX_BYTES).collect()
}

/// The shortest match that begins with the first of all alternatives; whether there is one.
fn write(hir: &Hir, sample: &mut String) -> bool {
    if sample.len() > MAX_BYTES {
        return false;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => {
                sample.push_str(text);
                true
            }
            Err(_) => false,
        },
        HirKind::Class(Class::Unicode(class)) => {
            let is_plain = |one: &char| one.is_ascii_alphanumeric();
            let starts = || class.ranges().iter().map(regex_syntax::hir::ClassUnicodeRange::start);
            let plain = ['a', 'A', '0', '1']
                .into_iter()
                .find(|one| class.ranges().iter().any(|range| (range.start()..=range.end()).contains(one)));
            let character = plain.or_else(|| starts().find(is_plain)).or_else(|| starts().next());
            sample.extend(character);
            character.is_some()
        }
        HirKind::Class(Class::Bytes(_)) => false,
        HirKind::Repetition(repetition) => {
            // Once, where it may be left out: people rarely mean nothing.
            let times = repetition.min.max(u32::from(repetition.max != Some(0)));
            (0..times).all(|_| write(&repetition.sub, sample))
        }
        HirKind::Capture(capture) => write(&capture.sub, sample),
        HirKind::Concat(parts) => parts.iter().all(|part| write(part, sample)),
        HirKind::Alternation(branches) => branches.first().is_some_and(|branch| write(branch, sample)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_match() {
        for pattern in
            ["^[a-z]+[.]example[.]com$", "^(?:prod|dev)-\\d{3}$", "a?b*", "[^0-9]x", "^[a-zA-Z]+.agilebank.demo$"]
        {
            let sample = of_pattern(pattern).remove(0);
            assert!(regex::Regex::new(pattern).unwrap().is_match(&sample), "{pattern}: {sample}");
        }
        assert_eq!(of_pattern("registry.example.com/"), [""; 0]);
        assert_eq!(of_pattern("*.example.com"), ["a.example.com"]);
    }
}
