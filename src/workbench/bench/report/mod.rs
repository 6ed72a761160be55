//! Measurements in the formats people and programs read; one file a format.

mod comparison;
mod inventory;
mod json;
mod table;
mod yaml;

use super::{Comparison, InventoryMemory, Measurement};

pub use super::baseline::render as render_baseline;

/// A format of `admit bench`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// A list of measurements, one for each engine.
    Json,
    /// The same in YAML.
    Yaml,
}

/// Renders a measurement.
pub fn render(format: Format, measurement: &Measurement) -> String {
    match format {
        Format::Table => table::render(measurement),
        Format::Json => json::render(measurement),
        Format::Yaml => yaml::render(measurement),
    }
}

/// Renders what an inventory takes.
pub fn render_inventory(format: Format, memory: &InventoryMemory) -> String {
    inventory::render(format, memory)
}

/// Renders a comparison, for people.
pub fn render_comparison(comparison: &Comparison) -> String {
    comparison::render(comparison)
}
