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
    K8sAllowedReposv2 "general" / "allowedreposv2";
    K8sPSPAutomountServiceAccountTokenPod "general" / "automount-serviceaccount-token";
    K8sBlockEndpointEditDefaultRole "general" / "block-endpoint-edit-default-role";
    K8sBlockLoadBalancer "general" / "block-loadbalancer-services";
    K8sBlockNodePort "general" / "block-nodeport-services";
    K8sBlockWildcardIngress "general" / "block-wildcard-ingress";
    K8sContainerLimits "general" / "containerlimits";
    K8sContainerRequests "general" / "containerrequests";
    K8sContainerRatios "general" / "containerresourceratios";
    K8sRequiredResources "general" / "containerresources";
    K8sDisallowAnonymous "general" / "disallowanonymous";
    K8sDisallowedRepos "general" / "disallowedrepos";
    K8sDisallowedTags "general" / "disallowedtags";
    K8sDisallowInteractiveTTY "general" / "disallowinteractive";
    K8sContainerEphemeralStorageLimit "general" / "ephemeralstoragelimit";
    K8sExternalIPs "general" / "externalip";
    K8sHorizontalPodAutoscaler "general" / "horizontalpodautoscaler" sync;
    K8sHttpsOnly "general" / "httpsonly";
    K8sImageDigests "general" / "imagedigests";
    NoUpdateServiceAccount "general" / "noupdateserviceaccount";
    K8sPodDisruptionBudget "general" / "poddisruptionbudget" sync;
    K8sReplicaLimits "general" / "replicalimits";
    K8sRequiredAnnotations "general" / "requiredannotations";
    K8sRequiredLabels "general" / "requiredlabels";
    K8sRequiredProbes "general" / "requiredprobes";
    K8sStorageClass "general" / "storageclass" sync;
    K8sUniqueIngressHost "general" / "uniqueingresshost" sync;
    K8sUniqueServiceSelector "general" / "uniqueserviceselector" sync;
    VerifyDeprecatedAPI "general" / "verifydeprecatedapi";
    K8sCronJobConcurrency "operations" / "cronjobconcurrency";
    K8sCronJobDeadline "operations" / "cronjobdeadline";
    K8sCronJobHistory "operations" / "cronjobhistory";
    K8sDaemonSetFitsQuota "operations" / "daemonsetfitsquota" sync;
    K8sDaemonSetLimits "operations" / "daemonsetlimits";
    K8sDaemonSetPriority "operations" / "daemonsetpriority";
    K8sDeprecatedApiVersions "operations" / "deprecatedapiversions";
    K8sDisruptionBudgetsAllowDrains "operations" / "disruptionbudgetsallowdrains" sync;
    K8sExecProbes "operations" / "execprobes";
    K8sMemoryLimitRatio "operations" / "memorylimitratio";
    K8sMinimumReplicas "operations" / "minimumreplicas" sync;
    K8sNamespaceHasNetworkPolicy "operations" / "namespacehasnetworkpolicy" sync;
    K8sNamespaceHasQuota "operations" / "namespacehasquota" sync;
    K8sProbeTimeouts "operations" / "probetimeouts";
    K8sPullPolicyOfPinnedImages "operations" / "pullpolicyofpinnedimages";
    K8sReplicasBesideAutoscaler "operations" / "replicasbesideautoscaler" sync;
    K8sSatisfiableNodeSelection "operations" / "satisfiablenodeselection" sync;
    K8sSpreadReplicas "operations" / "spreadreplicas";
    K8sTerminationGracePeriod "operations" / "terminationgraceperiod";
    K8sUniqueIngressPath "operations" / "uniqueingresspath" sync;
    K8sUniqueServiceAddress "operations" / "uniqueserviceaddress" sync;
    K8sPSPAllowPrivilegeEscalationContainer "pod-security" / "allow-privilege-escalation";
    K8sPSPAppArmor "pod-security" / "apparmor";
    K8sPSPCapabilities "pod-security" / "capabilities";
    K8sPSPFlexVolumes "pod-security" / "flexvolume-drivers";
    K8sPSPForbiddenSysctls "pod-security" / "forbidden-sysctls";
    K8sPSPFSGroup "pod-security" / "fsgroup";
    K8sPSPHostFilesystem "pod-security" / "host-filesystem";
    K8sPSPHostNamespace "pod-security" / "host-namespaces";
    K8sPSPHostNetworkingPorts "pod-security" / "host-network-ports";
    K8sPSPHostProbesLifecycle "pod-security" / "host-probes-lifecycle";
    K8sPSPHostProcess "pod-security" / "host-process";
    K8sPSPPrivilegedContainer "pod-security" / "privileged-containers";
    K8sPSPProcMount "pod-security" / "proc-mount";
    K8sPSPReadOnlyRootFilesystem "pod-security" / "read-only-root-filesystem";
    K8sRunAsNonRoot "pod-security" / "run-as-non-root";
    K8sPSPSeccomp "pod-security" / "seccomp";
    K8sPSPSeccompV2 "pod-security" / "seccompv2";
    K8sPSPSELinuxV2 "pod-security" / "selinux";
    K8sPSPAllowedUsers "pod-security" / "users";
    K8sPSPVolumeTypes "pod-security" / "volumes";
};

/// Ordered by name.
pub(super) const PACKS: &[EmbeddedPack] = packs! {
    "cost";
    "operations";
    "pod-security-baseline";
    "pod-security-restricted";
    "supply-chain";
};
