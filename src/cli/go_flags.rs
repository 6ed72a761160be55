//! Go programs take long flags with one dash or two; manifests written for Gatekeeper use both.

use std::ffi::OsString;

/// Gives every long flag of `serve` that has one dash its second one. Single letters stay short flags.
pub(super) fn normalize(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.get(1).is_none_or(|command| command != "serve") {
        return arguments;
    }
    for argument in arguments.iter_mut().skip(2) {
        let Some(text) = argument.to_str() else { continue };
        let name = text.strip_prefix('-').unwrap_or_default().split('=').next().unwrap_or_default();
        if name.len() > 1 && !name.starts_with('-') {
            *argument = format!("-{text}").into();
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dash_becomes_two() {
        let normalized = normalize(["admit", "serve", "-port=8443", "--host", "-h", "-log-denies"].map(OsString::from));
        assert_eq!(normalized, ["admit", "serve", "--port=8443", "--host", "-h", "--log-denies"].map(OsString::from));
        let untouched = ["admit", "test", "-fx"].map(OsString::from);
        assert_eq!(normalize(untouched.clone()), untouched);
    }
}
