//! A text cut into documents, before anything is parsed, so that a broken document ends at its own borders.
//!
//! Cutting by lines is exact: YAML forbids a line that starts with `---` or `...` and a blank inside every kind of
//! scalar and collection. Directives (`%YAML`) and comments in front of a `---` belong to the document behind it.

/// The text of one document, its `---` line included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment<'s> {
    pub(super) text: &'s str,
    /// Bytes of the text above the segment.
    pub(super) start: usize,
    /// Lines of the file above the segment.
    pub(super) lines_above: u32,
}

impl<'s> Segment<'s> {
    /// The text behind a `---` in front, and how many bytes that leaves out.
    pub(super) fn body(&self) -> (&'s str, usize) {
        let skipped = if is_marker(self.text, "---") { 3 } else { 0 };
        (self.text.get(skipped..).unwrap_or_default(), skipped)
    }
}

/// The segments of a text, in order; concatenated they are the text.
pub(super) fn split(text: &str) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    let (mut start, mut start_line) = (0, 0_u32);
    // Whether the segment so far is blank lines, comments and directives, which a `---` may still follow.
    let mut is_prologue = true;
    let (mut offset, mut line_number) = (0, 0_u32);
    for line in Lines(text) {
        let ends = is_marker(line, "...");
        if is_marker(line, "---") && !is_prologue {
            segments.push(Segment {
                text: text.get(start..offset).unwrap_or_default(),
                start,
                lines_above: start_line,
            });
            (start, start_line) = (offset, line_number);
        }
        is_prologue = is_prologue && is_presentation(line);
        offset += line.len();
        line_number = line_number.saturating_add(1);
        if ends {
            segments.push(Segment {
                text: text.get(start..offset).unwrap_or_default(),
                start,
                lines_above: start_line,
            });
            (start, start_line, is_prologue) = (offset, line_number, true);
        }
    }
    if start < text.len() {
        segments.push(Segment { text: text.get(start..).unwrap_or_default(), start, lines_above: start_line });
    }
    segments
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn is_presentation(line: &str) -> bool {
    let content = line.trim_start();
    content.is_empty() || content.starts_with('#') || line.starts_with('%')
}

/// The lines of a text with their ends: `\n`, `\r\n` or a lone `\r`.
pub(super) struct Lines<'s>(pub(super) &'s str);

impl<'s> Iterator for Lines<'s> {
    type Item = &'s str;

    fn next(&mut self) -> Option<&'s str> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.find(['\n', '\r']).map_or(self.0.len(), |end| {
            end + if self.0.get(end..).is_some_and(|rest| rest.starts_with("\r\n")) { 2 } else { 1 }
        });
        let (line, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, u32)]) {
        let segments: Vec<_> = split(text).iter().map(|segment| (segment.text, segment.lines_above)).collect();
        assert_eq!(segments, expected);
    }

    #[test]
    fn cuts_at_markers_only() {
        check("", &[]);
        check("a: 1\n---\r\nb: 2", &[("a: 1\n", 0), ("---\r\nb: 2", 1)]);
        check("---\na\n--- # c\nb\n", &[("---\na\n", 0), ("--- # c\nb\n", 2)]);
        check("a: |\n  ---\n---x: 1\n", &[("a: |\n  ---\n---x: 1\n", 0)]);
    }

    #[test]
    fn keeps_directives_with_their_document() {
        check("# c\n%YAML 1.1\n---\na\n", &[("# c\n%YAML 1.1\n---\na\n", 0)]);
        check("a\n...\n%YAML 1.1\n---\nb", &[("a\n...\n", 0), ("%YAML 1.1\n---\nb", 2)]);
    }
}
