//! Flags of Gatekeeper's that admit has no function for, as one table.
//!
//! Promise: nobody is fooled. A flag that may be ignored without changing a decision is accepted, and what was given and
//! has no effect is said in one line of the log; a flag that asks for another behaviour than admit's is refused.

use clap::error::{Error, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::cli::go_flags;
use crate::workbench::bench::parse_duration;

/// A flag and what becomes of it.
struct ForeignFlag {
    name: &'static str,
    shape: Shape,
    /// The value that asks for nothing: what admit does anyway.
    idle: &'static str,
    effect: Effect,
}

/// What a value looks like.
#[derive(Clone, Copy)]
enum Shape {
    Switch,
    Text,
    Whole,
    Duration,
    OneOf(&'static [&'static str]),
}

/// What any other value than the idle one leads to.
#[derive(Clone, Copy)]
enum Effect {
    /// Nothing, for this reason.
    None(&'static str),
    /// An error, for this reason.
    Refused(&'static str),
    /// An error for one value; nothing for the others. Each with its reason.
    RefusedOnly(&'static str, &'static str, &'static str),
}

use Effect::{None as Ignored, Refused, RefusedOnly};
use Shape::{Duration, OneOf, Switch, Text, Whole};

const LOGS: &str = "logs are JSON lines on stderr or in --log-file, from --log-level up";
const AUDIT: &str = "there is no audit";
const EXPORT: &str = "violations are not exported";
const CEL: &str = "there is no CEL: a template in CEL alone is refused";
const VAP: &str = "no ValidatingAdmissionPolicy is made: the webhook decides";
const METRICS: &str = "metrics are served to Prometheus on --prometheus-port, and nowhere else";
const PROFILES: &str = "there are no profiles";
const REMOTE: &str = "admit keeps policies and their statuses in one cluster, the one that --kubeconfig names";
const RETRIES: &str = "a policy that does not compile never will, so it is not tried again";
const RETRIES_WITHOUT_END: &str = "it is ready without policies that do not compile; their statuses say why";

/// By name.
const FLAGS: [ForeignFlag; 46] = [
    flag("add_dir_header", Switch, "false", Ignored(LOGS)),
    flag("alsologtostderr", Switch, "false", Ignored(LOGS)),
    flag("api-cache-dir", Text, "", Ignored(AUDIT)),
    flag("audit-channel", Text, "", Ignored(EXPORT)),
    flag("audit-chunk-size", Whole, "", Ignored(AUDIT)),
    flag("audit-connection", Text, "", Ignored(EXPORT)),
    flag("audit-events-involved-namespace", Switch, "false", Ignored(AUDIT)),
    flag("audit-from-cache", Switch, "false", Ignored(AUDIT)),
    flag("audit-interval", Whole, "0", Ignored(AUDIT)),
    flag("audit-match-kind-only", Switch, "false", Ignored(AUDIT)),
    flag("constraint-violations-limit", Whole, "", Ignored(AUDIT)),
    flag("debug-use-fake-pod", Switch, "false", Ignored("admit needs no Pod: POD_NAME may be any name")),
    flag("default-create-vap-binding-for-constraints", Switch, "false", Ignored(VAP)),
    flag("default-create-vap-for-templates", Switch, "false", Ignored(VAP)),
    flag("default-k8s-native-validation-failure-policy", OneOf(&["Fail", "Ignore"]), "", Ignored(CEL)),
    flag("default-wait-for-vapb-generation", Whole, "", Ignored(VAP)),
    flag("emit-audit-events", Switch, "false", Ignored(AUDIT)),
    flag("enable-admission-violation-export", Switch, "false", Ignored(EXPORT)),
    flag("enable-k8s-native-validation", Switch, "false", Ignored(CEL)),
    flag("enable-mutation", Switch, "false", Ignored("it has none in Gatekeeper either")),
    flag("enable-pprof", Switch, "false", Ignored(PROFILES)),
    flag("enable-remote-cluster", Switch, "false", Refused(REMOTE)),
    flag("enable-violation-export", Switch, "false", Ignored(EXPORT)),
    flag("legacy_stderr_threshold_behavior", Switch, "false", Ignored(LOGS)),
    flag("log-stats-audit", Switch, "false", Ignored(AUDIT)),
    flag("log_backtrace_at", Text, "", Ignored(LOGS)),
    flag("log_dir", Text, "", Ignored(LOGS)),
    flag("log_file", Text, "", Ignored(LOGS)),
    flag("log_file_max_size", Whole, "", Ignored(LOGS)),
    flag("log_link", Text, "", Ignored(LOGS)),
    flag("logbuflevel", Whole, "", Ignored(LOGS)),
    flag("logtostderr", Switch, "true", Ignored(LOGS)),
    flag("metrics-addr", Text, "0", Ignored(METRICS)),
    flag("metrics-backend", OneOf(&["prometheus", "stackdriver", "opentelemetry"]), "prometheus", Ignored(METRICS)),
    flag("one_output", Switch, "false", Ignored(LOGS)),
    flag("otlp-metric-interval", Duration, "", Ignored(METRICS)),
    flag("pprof-port", Whole, "", Ignored(PROFILES)),
    flag("readiness-retries", Whole, "0", RefusedOnly("-1", RETRIES_WITHOUT_END, RETRIES)),
    flag("skip_headers", Switch, "false", Ignored(LOGS)),
    flag("skip_log_headers", Switch, "false", Ignored(LOGS)),
    flag("stackdriver-metric-interval", Duration, "", Ignored(METRICS)),
    flag("stackdriver-only-when-available", Switch, "false", Ignored(METRICS)),
    flag("stderrthreshold", Text, "", Ignored(LOGS)),
    flag("sync-vap-enforcement-scope", Switch, "false", Ignored(VAP)),
    flag("v", Whole, "0", Ignored(LOGS)),
    flag("vmodule", Text, "", Ignored(LOGS)),
];

const fn flag(name: &'static str, shape: Shape, idle: &'static str, effect: Effect) -> ForeignFlag {
    ForeignFlag { name, shape, idle, effect }
}

/// What was given of the flags in the table.
#[derive(Clone, Debug, Default)]
pub(super) struct ForeignFlags {
    /// Each reason, with the flags that have no effect for it; in the order of the table.
    without_effect: Vec<(&'static str, Vec<&'static str>)>,
}

impl ForeignFlags {
    /// Which of the flags that were given have no effect, and why, in one text; `None` when all have what they ask for.
    pub(super) fn explanation(&self) -> Option<String> {
        let explained = self.without_effect.iter().map(|(reason, flags)| {
            let flags: Vec<String> = flags.iter().map(|flag| format!("--{flag}")).collect();
            format!("{} ({reason})", flags.join(", "))
        });
        let text = explained.collect::<Vec<_>>().join("; ");
        (!text.is_empty()).then_some(text)
    }

    /// Whether metrics are to go to another place than Prometheus.
    pub(super) fn has_other_metrics_backend(&self) -> bool {
        self.without_effect.iter().any(|(_, flags)| flags.contains(&"metrics-backend"))
    }

    fn note(&mut self, flag: &'static str, reason: &'static str) {
        match self.without_effect.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, flags)) => flags.push(flag),
            None => self.without_effect.push((reason, vec![flag])),
        }
    }
}

impl Args for ForeignFlags {
    fn augment_args(command: Command) -> Command {
        command.args(FLAGS.iter().map(ForeignFlag::argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ForeignFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut given = Self::default();
        for flag in &FLAGS {
            if matches.value_source(&flag.id()) != Some(ValueSource::CommandLine) {
                continue;
            }
            let values: Vec<&String> = matches.get_many(&flag.id()).into_iter().flatten().collect();
            if values.iter().all(|value| *value == flag.idle) {
                continue;
            }
            match flag.effect {
                Refused(reason) => return Err(refusal(flag.name, reason)),
                RefusedOnly(value, reason, _) if values.iter().any(|given| *given == value) => {
                    return Err(refusal(flag.name, reason));
                }
                Ignored(reason) | RefusedOnly(_, _, reason) => given.note(flag.name, reason),
            }
        }
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn refusal(flag: &str, reason: &str) -> Error {
    Error::raw(ErrorKind::ValueValidation, format!("--{flag} asks for what admit cannot do: {reason}\n"))
}

impl ForeignFlag {
    /// Apart from those of admit's own flags, which are words with underscores, as some names here are.
    fn id(&self) -> String {
        format!("foreign flag {}", self.name)
    }

    fn argument(&self) -> Arg {
        let argument = Arg::new(self.id()).long(self.name).hide(true).action(ArgAction::Append);
        match self.shape {
            Switch => argument
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .value_parser(|text: &str| go_flags::parse_bool(text).map(|value| value.to_string())),
            Text => argument,
            Whole => argument
                .allow_negative_numbers(true)
                .value_parser(|text: &str| text.parse::<i64>().map(|value| value.to_string())),
            Duration => argument.value_parser(|text: &str| parse_duration(text).map(|_| text.to_owned())),
            OneOf(values) => argument.value_parser(clap::builder::PossibleValuesParser::new(values)),
        }
    }
}
