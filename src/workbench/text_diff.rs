//! Two versions of a text, as `diff -u` and Git show them: [`unified`].

use similar::TextDiff;

/// Lines around a change.
const CONTEXT: usize = 3;

/// The difference under a file's name, ready for `git apply` and `patch`; nothing when there is none.
pub fn unified(name: &str, before: &str, after: &str) -> String {
    between(&format!("a/{name}"), &format!("b/{name}"), before, after)
}

/// The difference of two texts that have names of their own.
pub fn between(from: &str, to: &str, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let diff = TextDiff::from_lines(before, after);
    diff.unified_diff().context_radius(CONTEXT).header(from, to).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_like_a_patch() {
        assert_eq!(unified("f", "a\nb", "a\nb"), "");
        let expected = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n";
        assert_eq!(unified("f", "a\nb", "a\nc\n"), expected);
    }
}
