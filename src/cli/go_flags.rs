//! Go programs take long flags with one dash or two; manifests written for Gatekeeper use both.

use std::ffi::OsString;

/// Gives every long flag of `serve` that has one dash its second one. Single letters stay short flags, but for `-v`, which
/// is the name of a long one.
pub(super) fn normalize(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.get(1).is_none_or(|command| command != "serve") {
        return arguments;
    }
    for argument in arguments.iter_mut().skip(2) {
        let Some(text) = argument.to_str() else { continue };
        let name = text.strip_prefix('-').unwrap_or_default().split('=').next().unwrap_or_default();
        let is_long =
            name.len() > 1 && !name.starts_with('-') && !name.starts_with(|first: char| first.is_ascii_digit());
        if is_long || name == "v" {
            *argument = format!("-{text}").into();
        }
    }
    arguments
}

/// Whether a switch is on; in every way that Go has of saying so.
pub(super) fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dash_becomes_two() {
        let given = ["admit", "serve", "-port=8443", "--host", "-h", "-log-denies", "-v=2", "-max", "-1"];
        let expected = ["admit", "serve", "--port=8443", "--host", "-h", "--log-denies", "--v=2", "--max", "-1"];
        assert_eq!(normalize(given.map(OsString::from)), expected.map(OsString::from));
        let untouched = ["admit", "test", "-fx"].map(OsString::from);
        assert_eq!(normalize(untouched.clone()), untouched);
    }

    #[test]
    fn switches_are_read_as_go_reads_them() {
        assert_eq!(["1", "t", "True", "0", "F"].map(parse_bool), [true, true, true, false, false].map(Ok));
        assert!(parse_bool("yes").is_err());
    }
}
