//! Every flag that Gatekeeper's manager takes and its chart gives, read as a manifest writes them.

use clap::Parser;
use clap::error::ErrorKind;

use super::ServeArguments;
use crate::cli::{Arguments, Command, go_flags};
use crate::server::Operations;

/// Gatekeeper's flags, each with a value that its chart or its documentation gives.
const FLAGS: &[(&str, &str)] = &[
    ("operation", "webhook"),
    ("log-level", "INFO"),
    ("log-level", "debug"),
    ("log-level-key", "severity"),
    ("log-level-encoder", "capitalcolor"),
    ("log-file", ""),
    ("health-addr", ":9090"),
    ("metrics-addr", "0"),
    ("prometheus-port", "8888"),
    ("metrics-backend", "prometheus"),
    ("metrics-backend", "opentelemetry"),
    ("otlp-endpoint", "http://collector.example.com:4318"),
    ("otlp-metric-interval", "10s"),
    ("stackdriver-only-when-available", "true"),
    ("stackdriver-metric-interval", "1m30s"),
    ("port", "8443"),
    ("host", "127.0.0.1"),
    ("cert-dir", "/certs"),
    ("disable-cert-rotation", "true"),
    ("cert-service-name", "gatekeeper-webhook-service"),
    ("cert-rotation-pause", "60"),
    ("validating-webhook-configuration-name", "gatekeeper-validating-webhook-configuration"),
    ("additional-validating-webhook-configs-to-rotate-certs", "one,two"),
    ("mutating-webhook-configuration-name", "gatekeeper-mutating-webhook-configuration"),
    ("additional-mutating-webhook-configs-to-rotate-certs", ""),
    ("client-ca-name", "ca.crt"),
    ("client-cn-name", "kube-apiserver"),
    ("exempt-namespace", "kube-system"),
    ("exempt-namespace-prefix", "kube-"),
    ("exempt-namespace-suffix", "-system"),
    ("admit-uncompilable-templates", "true"),
    ("tls-min-version", "1.2"),
    ("max-serving-threads", "-1"),
    ("disable-enforcementaction-validation", "true"),
    ("log-denies", "true"),
    ("emit-admission-events", "true"),
    ("admission-events-involved-namespace", "true"),
    ("log-stats-admission", "true"),
    ("disable-opa-builtin", "{http.send}"),
    ("enable-k8s-native-validation", "true"),
    ("default-k8s-native-validation-failure-policy", "Ignore"),
    ("default-create-vap-for-templates", "true"),
    ("default-create-vap-binding-for-constraints", "false"),
    ("default-wait-for-vapb-generation", "30"),
    ("sync-vap-enforcement-scope", "true"),
    ("enable-referential-rules", "false"),
    ("enable-external-data", "true"),
    ("external-data-provider-response-cache-ttl", "3m"),
    ("enable-generator-resource-expansion", "true"),
    ("enable-mutation", "true"),
    ("log-mutations", "false"),
    ("mutation-annotations", "false"),
    ("audit-interval", "60"),
    ("constraint-violations-limit", "20"),
    ("audit-chunk-size", "500"),
    ("audit-from-cache", "false"),
    ("audit-match-kind-only", "true"),
    ("api-cache-dir", "/tmp/audit"),
    ("emit-audit-events", "true"),
    ("audit-events-involved-namespace", "false"),
    ("log-stats-audit", "true"),
    ("enable-violation-export", "true"),
    ("enable-admission-violation-export", "true"),
    ("audit-connection", "audit-connection"),
    ("audit-channel", "audit-channel"),
    ("readiness-retries", "3"),
    ("shutdown-delay", "10"),
    ("enable-pprof", "true"),
    ("pprof-port", "6060"),
    ("debug-use-fake-pod", "true"),
    ("enable-remote-cluster", "false"),
    ("kubeconfig", "/kubeconfig"),
    ("logtostderr", "true"),
    ("alsologtostderr", "true"),
    ("stderrthreshold", "INFO"),
    ("v", "4"),
    ("vmodule", "a=2,b=3"),
    ("log_dir", "/tmp"),
    ("log_backtrace_at", "a.go:3"),
];

/// Switches, which mean `true` when nothing follows.
const SWITCHES: [&str; 11] = [
    "disable-cert-rotation",
    "admit-uncompilable-templates",
    "narrow-webhook-rules",
    "log-denies",
    "logtostderr",
    "emit-admission-events",
    "log-stats-admission",
    "audit-from-cache",
    "enable-external-data",
    "enable-referential-rules",
    "enable-pprof",
];

fn parse(flags: &[&str]) -> Result<ServeArguments, clap::Error> {
    let line = ["admit", "serve"].iter().chain(flags).map(std::ffi::OsString::from);
    Arguments::try_parse_from(go_flags::normalize(line)).map(|arguments| match arguments.command {
        Command::Serve(arguments) => *arguments,
        _ => unreachable!("the command is serve"),
    })
}

fn refusal(flags: &[&str]) -> String {
    let error = parse(flags).err();
    error.unwrap_or_else(|| panic!("{flags:?} was taken")).render().to_string()
}

#[test]
fn every_flag_of_gatekeepers_is_taken_with_one_dash_and_with_two() {
    for (flag, value) in FLAGS {
        for dashes in ["-", "--"] {
            let given = format!("{dashes}{flag}={value}");
            assert!(parse(&[&given]).is_ok(), "{}", refusal(&[&given]));
        }
    }
    for flag in SWITCHES {
        for form in [format!("-{flag}"), format!("--{flag}"), format!("--{flag}=false"), format!("-{flag}=F")] {
            assert!(parse(&[&form]).is_ok(), "{}", refusal(&[&form]));
        }
    }
    assert!(parse(&["--port", "8443", "-port", "443", "--audit-interval", "0"]).is_ok(), "the last one counts");
}

#[test]
fn the_charts_command_lines_are_taken_and_say_what_has_no_effect() {
    let controller = [
        "--port=8443",
        "--health-addr=:9090",
        "--prometheus-port=8888",
        "--logtostderr",
        "--log-denies=false",
        "--admission-events-involved-namespace=false",
        "--log-level=INFO",
        "--enable-external-data=true",
        "--enable-generator-resource-expansion=true",
        "--enable-k8s-native-validation=true",
        "--log-mutations=false",
        "--mutation-annotations=false",
        "--max-serving-threads=-1",
        "--tls-min-version=1.3",
        "--metrics-backend=prometheus",
        "--operation=webhook",
        "--operation=mutation-webhook",
        "--disable-opa-builtin={http.send}",
        "--external-data-provider-response-cache-ttl=3m",
    ];
    let parsed = parse(&controller).unwrap();
    assert_eq!(Operations::new(&parsed.operation).names(), ["mutation-webhook", "webhook"]);
    let explanation = parsed.foreign.explanation().unwrap();
    for part in ["--enable-k8s-native-validation (there is no CEL"] {
        assert!(explanation.contains(part), "{part} is not in {explanation}");
    }
    assert!(!explanation.contains("external-data"), "{explanation}");
    assert!(!explanation.contains("logtostderr") && !explanation.contains("mutation"), "{explanation}");
    let audit = ["--operation=audit,status", "--operation=generate", "--audit-interval=60", "--logtostderr"];
    let parsed = parse(&audit).unwrap();
    assert_eq!(Operations::new(&parsed.operation).names(), ["audit", "generate", "status"]);
    assert_eq!(parsed.foreign.explanation().as_deref(), Some("--audit-interval (there is no audit)"));
    assert_eq!(parse(&["--enable-external-data=0", "-v=0"]).unwrap().foreign.explanation(), None);
}

#[test]
fn what_cannot_be_done_is_refused() {
    for (flag, expected) in [
        ("--prot=8443", "a similar argument exists: '--port'"),
        ("-log-denie", "a similar argument exists: '--log-denies'"),
        ("--enable-external-dat", "a similar argument exists: '--enable-external-data'"),
        ("--external-data-provider-response-cache-ttl=-3m", "expected a duration"),
        ("--operation=webhok", "operation webhok is not a valid operation: map[audit:true generate:true"),
        ("--operation=", "operation  is not a valid operation"),
        ("--enable-remote-cluster", "--enable-remote-cluster asks for what admit cannot do: admit keeps policies"),
        ("--readiness-retries=-1", "--readiness-retries asks for what admit cannot do: it is ready without"),
        ("--log-denies=perhaps", "expected true or false"),
        ("--audit-interval=soon", "invalid value 'soon'"),
        ("--otlp-metric-interval=10", "expected a duration"),
        ("--metrics-backend=statsd", "possible values: prometheus"),
        ("--log-level=LOUD", "possible values: DEBUG"),
        ("--tls-min-version=1.4", "invalid TLS version. Must be one of: 1.0, 1.1, 1.2, or 1.3"),
    ] {
        let text = refusal(&[flag]);
        assert!(text.contains(expected), "{flag}: {text}");
    }
}

#[test]
fn help_shows_what_has_an_effect() {
    let error = parse(&["--help"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DisplayHelp);
    let help = error.render().to_string();
    for shown in [
        "Webhook:",
        "Certificates:",
        "Policies:",
        "Process:",
        "Log:",
        "--operation",
        "--log-level-key",
        "--show-decision-id",
        "--blame",
    ] {
        assert!(help.contains(shown), "{shown} is not in {help}");
    }
    assert!(!help.contains("--audit-interval") && !help.contains("--vmodule"), "{help}");
}
