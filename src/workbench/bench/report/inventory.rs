//! What an inventory takes, in each format.

use serde::Serialize;

use super::Format;
use crate::workbench::bench::InventoryMemory;
use crate::workbench::text::columns;

pub(super) fn render(format: Format, memory: &InventoryMemory) -> String {
    let fields = Fields {
        object_count: memory.objects,
        inventory_bytes: memory.bytes,
        bytes_per_object: memory.bytes_per_object(),
        index_entries: memory.index_entries,
    };
    match format {
        Format::Table => columns(&[
            ["Objects in the inventory:".to_owned(), memory.objects.to_string()],
            ["Bytes:".to_owned(), memory.bytes.to_string()],
            ["Bytes per object:".to_owned(), memory.bytes_per_object().to_string()],
            ["Index entries:".to_owned(), memory.index_entries.to_string()],
        ]),
        // Numbers: serialising them cannot fail.
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&fields).unwrap_or_default()),
        Format::Yaml => serde_saphyr::to_string(&fields).unwrap_or_default(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    object_count: usize,
    inventory_bytes: usize,
    bytes_per_object: usize,
    index_entries: usize,
}
