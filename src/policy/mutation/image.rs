//! An image's name with some of its parts replaced.

use crate::model::api::mutator::{ImageParts, split_domain};

/// The name with every part that is set in place of its own. Nothing is validated: what is not set stays as it is.
pub(super) fn with_parts(image: &str, parts: &ImageParts) -> String {
    let (domain, rest) = split_domain(image);
    let border = rest.find([':', '@']).unwrap_or(rest.len());
    let (path, tag) = rest.split_at(border);
    let or = |new: &'_ str, old: &str| if new.is_empty() { old.to_owned() } else { new.to_owned() };
    let domain = or(&parts.domain, domain.unwrap_or_default());
    let slash = if domain.is_empty() { "" } else { "/" };
    format!("{domain}{slash}{}{}", or(&parts.path, path), or(&parts.tag, tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_what_is_set() {
        for (image, domain, path, tag, expected) in [
            ("nginx", "", "", ":v1", "nginx:v1"),
            ("nginx:v0", "a.io", "", "", "a.io/nginx:v0"),
            ("docker.io/library/nginx@sha256:0", "a.io:5000", "", "", "a.io:5000/library/nginx@sha256:0"),
            ("library/nginx:v0", "", "team/web", "", "team/web:v0"),
            ("localhost/nginx:v0@sha256:1", "", "", ":v2", "localhost/nginx:v2"),
            ("", "a.io", "web", ":v1", "a.io/web:v1"),
            ("", "", "", ":v1", ":v1"),
        ] {
            let parts = ImageParts { domain: domain.to_owned(), path: path.to_owned(), tag: tag.to_owned() };
            assert_eq!(with_parts(image, &parts), expected, "{image}");
        }
    }
}
