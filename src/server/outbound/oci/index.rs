//! Indexes: several images under one name, for machines of several kinds. Policies are for none in particular.

use serde_json::Value;

use super::layers::media_type;
use super::reference::Digest;

const IMAGES: [&str; 5] = [
    "",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// The image to take: the only one, or the one for amd64, so that laptop and CI agree. Another choice would be a guess.
pub(super) fn choose(entries: &[Value]) -> Result<Digest, String> {
    let images: Vec<_> = entries.iter().filter(|entry| is_image(entry)).collect();
    let mut common = images
        .iter()
        .filter(|entry| platform(entry, "os") == Some("linux") && platform(entry, "architecture") == Some("amd64"));
    let chosen = match (images.as_slice(), common.next()) {
        ([], _) if entries.is_empty() => return Err("it is an index without any image".to_owned()),
        ([], _) => {
            let found: Vec<_> = entries.iter().map(media_type).collect();
            return Err(format!("it is an index without an image: found {}", found.join(", ")));
        }
        ([only], _) => only,
        (_, Some(common)) => common,
        (images, None) => {
            let found: Vec<_> = images.iter().map(|entry| digest(entry)).collect();
            return Err(format!(
                "it is an index of {} images, none of them for linux/amd64; name one by its digest, behind @: {}",
                images.len(),
                found.join(", ")
            ));
        }
    };
    let digest = digest(chosen);
    Digest::parse(digest).ok_or_else(|| format!("its index has digest {digest:?}, expected sha256: with 64 digits"))
}

fn digest(entry: &Value) -> &str {
    entry.get("digest").and_then(Value::as_str).unwrap_or_default()
}

fn platform<'e>(entry: &'e Value, key: &str) -> Option<&'e str> {
    entry.get("platform")?.get(key)?.as_str()
}

/// Builders put what they say about an image beside it, as one for an unknown machine.
fn is_image(entry: &Value) -> bool {
    let is_about = entry.pointer("/annotations/vnd.docker.reference.type").is_some();
    IMAGES.contains(&media_type(entry)) && !is_about && platform(entry, "os") != Some("unknown")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_no_image_by_chance() {
        let digests: Vec<_> = ["0", "1", "2"].map(|digit| format!("sha256:{}", digit.repeat(64))).into();
        let entry = |number: usize, architecture: &str| json!({"digest": digests[number], "platform": {"os": "linux", "architecture": architecture}});
        let chosen = |entries: &[Value]| choose(entries).map(|digest| digest.to_string());
        let about = json!({"digest": digests[0], "platform": {"os": "unknown", "architecture": "unknown"}});
        assert_eq!(chosen(&[about.clone(), entry(1, "arm64")]).as_ref(), Ok(&digests[1]));
        assert_eq!(chosen(&[entry(1, "arm64"), entry(2, "amd64")]).as_ref(), Ok(&digests[2]));
        assert!(chosen(&[entry(1, "arm64"), entry(2, "s390x")]).unwrap_err().contains("index of 2 images"));
        assert!(chosen(&[]).unwrap_err().contains("without any image"));
        assert!(chosen(&[about]).unwrap_err().contains("without an image"));
        assert!(chosen(&[json!({"digest": "md5:0"})]).unwrap_err().contains("expected sha256"));
    }
}
