//! Several replacements in one pass over a text, as Go's `strings.NewReplacer`: at each place the first pattern in order
//! that matches wins, and what was put in is not looked at again.

use std::collections::HashMap;

use super::{BuiltinError, CallContext};

/// `pairs` of patterns and what replaces them, distinct patterns.
pub(super) fn replace(
    context: &mut CallContext<'_>,
    text: &str,
    pairs: &[(&str, &str)],
) -> Result<String, BuiltinError> {
    let mut by_first: HashMap<u8, Vec<usize>> = HashMap::new();
    for (index, (old, _)) in pairs.iter().enumerate() {
        context.budget.allocate(16)?;
        if let Some(first) = old.as_bytes().first() {
            by_first.entry(*first).or_default().push(index);
        }
    }
    let empty = pairs.iter().find(|(old, _)| old.is_empty()).map(|(_, new)| *new);
    let bytes = text.as_bytes();
    let mut output: Vec<u8> = Vec::new();
    let (mut offset, mut is_behind_empty) = (0, false);
    while offset <= bytes.len() {
        let rest = bytes.get(offset..).unwrap_or_default();
        let candidates = rest.first().and_then(|first| by_first.get(first)).map(Vec::as_slice).unwrap_or_default();
        context.budget.charge(candidates.len() as u64 + 1)?;
        let candidates = candidates.iter().filter_map(|index| pairs.get(*index));
        // The empty pattern sorts first, so it wins over all others, but never twice at one place.
        let (old, new) = match empty.filter(|_| !is_behind_empty) {
            Some(new) => ("", new),
            None => match candidates.into_iter().find(|(old, _)| rest.starts_with(old.as_bytes())) {
                Some((old, new)) => (*old, *new),
                None => {
                    output.extend(rest.first());
                    offset += 1;
                    is_behind_empty = false;
                    continue;
                }
            },
        };
        context.budget.allocate(new.len() as u64)?;
        output.extend_from_slice(new.as_bytes());
        offset += old.len();
        is_behind_empty = old.is_empty();
    }
    // The empty pattern matches between the bytes of a character, too.
    Ok(String::from_utf8(output).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
