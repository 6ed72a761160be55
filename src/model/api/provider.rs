//! Provider: whom to ask for external data, and how to know that it is really them.
//!
//! Guarantees of a parsed one: the URL is HTTPS, and the bundle's first block is a certificate.

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
    /// `spec.timeout`, in seconds. With none, whoever validates does not wait at all, and whoever mutates waits 5 s.
    pub timeout_seconds: u64,
    /// `spec.caBundle`, decoded: PEM.
    pub authorities: String,
}

impl Provider {
    /// Reads a Provider.
    ///
    /// # Errors
    /// With everything that is wrong with it, in Gatekeeper's words and order.
    pub fn parse(object: &Object) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let spec = object.field(&["spec"]).unwrap_or(&Value::Null);
        let mut fields = Fields::new(spec, FieldPath::from(["spec"]), &mut errors);
        let url = fields.text("url").unwrap_or_default().to_owned();
        let timeout = fields.raw("timeout").map_or(Some(0), Value::as_i64);
        if timeout.is_none() {
            let found = fields.raw("timeout").map(describe).unwrap_or_default();
            fields.invalid("timeout", format!("expected a whole number, found {found}"));
        }
        let bundle = fields.text("caBundle").unwrap_or_default().to_owned();
        if !errors.is_empty() {
            return Err(errors);
        }
        let timeout_seconds = u64::try_from(timeout.unwrap_or_default()).unwrap_or_default();
        Ok(Self { name: object.name().to_owned(), url, timeout_seconds, authorities: bundle })
    }
}
