//! Provider: whom to ask for external data, and how to know that it is really them.
//!
//! Guarantees of a parsed one: its URL is HTTPS, its timeout is not negative, and it brings authorities in Base64. Whether
//! those are certificates is not looked at here.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::{BASE64, Encoding, Specification};
use serde_json::Value;

use super::fields::Fields;
use crate::model::object::{FieldError, FieldPath, Object, describe};

/// A Provider (v1beta1 and v1alpha1, which are the same), parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// `metadata.name`.
    pub name: String,
    /// `spec.url`.
    pub url: String,
    /// `spec.timeout`, in seconds. With 0 no answer comes in time.
    pub timeout_seconds: u64,
    /// `spec.caBundle`, decoded: PEM.
    pub authorities: Vec<u8>,
    /// What it said once, for evaluation that asks nobody.
    pub recorded: Option<Arc<Recorded>>,
}

/// What a provider said, written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// By key: a value, or why there is none.
    pub keys: BTreeMap<String, Result<Value, String>>,
    /// Its own account of a failure of the whole.
    pub system_error: String,
    /// Why it could not be asked; then it said nothing.
    pub failure: Option<String>,
    /// Whether it says that asking again gives the same.
    pub is_idempotent: bool,
}

/// What providers said, by their names.
pub type RecordedAnswers = BTreeMap<String, Arc<Recorded>>;

impl Provider {
    /// One that is known by what it said alone.
    pub fn of_record(name: &str, recorded: Arc<Recorded>) -> Self {
        let (name, url, authorities) = (name.to_owned(), String::new(), Vec::new());
        Self { name, url, timeout_seconds: 0, authorities, recorded: Some(recorded) }
    }

    /// Reads a Provider.
    ///
    /// # Errors
    /// With everything that is wrong with it, in Gatekeeper's words and order.
    pub fn parse(object: &Object) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let spec = object.field(&["spec"]).unwrap_or(&Value::Null);
        let mut fields = Fields::new(spec, FieldPath::from(["spec"]), &mut errors);
        let url = fields.text("url").unwrap_or_default().to_owned();
        let timeout = timeout(&mut fields);
        let bundle = fields.text("caBundle").unwrap_or_default();
        if !errors.is_empty() {
            return Err(errors);
        }
        let name = object.name().to_owned();
        if name.is_empty() {
            let path = FieldPath::from(["metadata", "name"]);
            errors.push(FieldError::new(path, format!("provider name can not be empty. value {name}")));
        }
        let mut fields = Fields::new(spec, FieldPath::from(["spec"]), &mut errors);
        if url.is_empty() {
            fields.invalid("url", format!("invalid provider url. value: {url}"));
        }
        if timeout < 0 {
            fields.invalid("timeout", format!("provider timeout should be a positive integer. value: {timeout}"));
        }
        if !url.is_empty() && !is_https(&url) {
            fields.invalid("url", "only HTTPS scheme is supported for Providers");
        }
        let authorities = authorities(bundle).map_err(|text| fields.invalid("caBundle", text)).unwrap_or_default();
        match errors.is_empty() {
            true => Ok(Self { name, url, timeout_seconds: timeout.unsigned_abs(), authorities, recorded: None }),
            false => Err(errors),
        }
    }
}

fn timeout(fields: &mut Fields<'_, '_>) -> i64 {
    let Some(value) = fields.raw("timeout") else { return 0 };
    value.as_i64().unwrap_or_else(|| {
        fields.invalid("timeout", format!("expected a whole number of seconds, found {}", describe(value)));
        0
    })
}

/// Schemes are the same in any case.
fn is_https(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// As Go reads Base64: line breaks are skipped, spare bits at the end are ignored.
fn authorities(bundle: &str) -> Result<Vec<u8>, String> {
    if bundle.is_empty() {
        return Err("caBundle should be set for HTTPS scheme".to_owned());
    }
    let decoded = lenient().decode(bundle.as_bytes());
    decoded.map_err(|error| {
        let place = error.position;
        format!("failed to base64 decode caBundle: illegal base64 data at input byte {place}")
    })
}

fn lenient() -> Encoding {
    let mut specification: Specification = BASE64.specification();
    specification.check_trailing_bits = false;
    specification.ignore.push_str("\r\n");
    // What is given to it is Base64's own, with two characters more.
    specification.encoding().unwrap_or(BASE64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(name: &str, spec: Value) -> Result<Provider, Vec<String>> {
        let object = json!({"apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "Provider",
            "metadata": {"name": name}, "spec": spec});
        let texts = |errors: Vec<FieldError>| errors.iter().map(ToString::to_string).collect();
        Provider::parse(&Object::from_value(object).unwrap()).map_err(texts)
    }

    #[test]
    fn reads_all_of_it() {
        let spec = json!({"url": "HTTPS://provider.system:8090/validate", "timeout": 3, "caBundle": "Y2Vy\ndB=="});
        let provider = parse("images", spec).unwrap();
        assert_eq!((provider.name.as_str(), provider.timeout_seconds), ("images", 3));
        assert_eq!(provider.url, "HTTPS://provider.system:8090/validate");
        assert_eq!(provider.authorities, b"cert");
        assert_eq!(parse("a", json!({"url": "https://b", "caBundle": "YQ=="})).unwrap().timeout_seconds, 0);
    }

    #[test]
    fn says_what_is_wrong_in_gatekeepers_words_and_order() {
        let url = "https://a";
        for (name, spec, expected) in [
            (
                "",
                json!({"url": url, "caBundle": "YQ=="}),
                &["metadata.name: provider name can not be empty. value "][..],
            ),
            ("a", json!({"caBundle": "YQ=="}), &["spec.url: invalid provider url. value: "]),
            (
                "a",
                json!({"url": "http://a", "timeout": -1}),
                &[
                    "spec.timeout: provider timeout should be a positive integer. value: -1",
                    "spec.url: only HTTPS scheme is supported for Providers",
                    "spec.caBundle: caBundle should be set for HTTPS scheme",
                ],
            ),
            (
                "a",
                json!({"url": "a:8090", "caBundle": "YQ=="}),
                &["spec.url: only HTTPS scheme is supported for Providers"],
            ),
            (
                "a",
                json!({"url": url, "caBundle": "YWJj!"}),
                &["spec.caBundle: failed to base64 decode caBundle: illegal base64 data at input byte 4"],
            ),
            (
                "a",
                json!({"url": 5, "timeout": 1.5}),
                &[
                    "spec.url: expected a string, found a number (5)",
                    "spec.timeout: expected a whole number of seconds, found a number (1.5)",
                ],
            ),
        ] {
            assert_eq!(parse(name, spec.clone()).unwrap_err(), expected, "{spec}");
        }
    }
}
