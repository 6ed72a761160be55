//! The JSON's keys and values as YAML.

use super::json::Fields;
use crate::workbench::bench::Measurement;

pub(super) fn render(measurement: &Measurement) -> String {
    // Numbers, strings and lists: serialising them cannot fail.
    serde_saphyr::to_string(&[Fields::new(measurement)]).unwrap_or_default()
}
