//! What of `policies/` is in the binary. The lines between the braces are generated: `UPDATE=1 cargo test --test all library`.
//!
//! A line whose file is gone keeps the crate from compiling; delete it, and renew the rest.

use super::{EmbeddedPack, EmbeddedPolicy};

macro_rules! file {
    ($($part:literal),+) => { include_str!(concat!("../../../policies/", $($part),+)) };
}

/// Kind, folder, and `sync` where the folder has a SyncSet.
macro_rules! policies {
    (@sync $set:literal $folder:literal sync) => { Some(file!($set, "/", $folder, "/sync.yaml")) };
    (@sync $set:literal $folder:literal) => { None };
    ($($kind:ident $set:literal / $folder:literal $($sync:ident)? ;)*) => {
        &[$(EmbeddedPolicy {
            kind: stringify!($kind),
            set: $set,
            folder: $folder,
            template: file!($set, "/", $folder, "/template.yaml"),
            sync: policies!(@sync $set $folder $($sync)?),
        }),*]
    };
}

macro_rules! packs {
    ($($name:literal ;)*) => {
        &[$(EmbeddedPack {
            name: $name,
            constraints: file!("packs/", $name, "/constraints.yaml"),
            readme: file!("packs/", $name, "/README.md"),
        }),*]
    };
}

/// Ordered by set and folder.
pub(super) const POLICIES: &[EmbeddedPolicy] = policies! {
    K8sAllowedRepos "general" / "allowedrepos";
    K8sContainerLimits "general" / "containerlimits";
    K8sRequiredLabels "general" / "requiredlabels";
    K8sUniqueServiceSelector "general" / "uniqueserviceselector" sync;
};

/// Ordered by name.
pub(super) const PACKS: &[EmbeddedPack] = packs! {
    "starter";
};
