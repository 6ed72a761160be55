//! What a finding is recognised by when lines have moved: its rule, object, field and words, not its line.

use std::collections::HashMap;

use super::finding::Finding;

/// Gives each finding its fingerprint. Findings that are otherwise the same are numbered in the order in which they come.
pub(super) fn assign(findings: &mut [Finding]) {
    let mut seen: HashMap<u128, u32> = HashMap::new();
    for finding in findings {
        let field = finding.missing.as_ref().unwrap_or(&finding.field).to_string();
        let object = finding.object.to_string();
        let parts = [
            finding.rule.id.as_str(),
            &finding.rule.constraint,
            &finding.place.location.file,
            &object,
            &field,
            &finding.message,
        ];
        let hash = hash(&parts);
        let number = seen.entry(hash).and_modify(|number| *number += 1).or_insert(0);
        finding.fingerprint = if *number == 0 { format!("{hash:032x}") } else { format!("{hash:032x}-{number}") };
    }
}

/// FNV-1a of 128 bits: the same in every version of admit, as files are compared with it.
fn hash(parts: &[&str]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    // A byte that is in no text ends each part.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_fnv_1a() {
        assert_eq!(hash(&[]), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }
}
