//! The flags of `admit serve` about what is told: the log, and what it and Events say of requests.

use anyhow::{Context, Result};
use clap::{ArgAction, Args, ValueEnum};
use tracing::Level;

use crate::cli::go_flags::parse_bool;
use crate::server::telemetry::logs::{self, LevelStyle, LogFormat};
use crate::server::{MutationOptions, ReportOptions};

/// What the log looks like.
#[derive(Clone, Debug, Args)]
pub(super) struct LogArguments {
    /// Lowest level of log lines
    #[arg(long, value_enum, ignore_case = true, default_value = "INFO")]
    log_level: LogLevel,
    /// Key of the level in log lines
    #[arg(long, value_name = "KEY", default_value = "level")]
    log_level_key: String,
    /// How levels are written
    #[arg(long, value_name = "ENCODER", value_enum, default_value = "lower")]
    log_level_encoder: Encoder,
    /// File to write the log to, at its end; stderr when empty
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    log_file: String,
}

/// What is told of requests.
#[derive(Clone, Debug, Args)]
pub(super) struct ReportArguments {
    /// Log each violation
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = ArgAction::Set)]
    log_denies: bool,
    /// Log how long each template took for a request
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = ArgAction::Set)]
    log_stats_admission: bool,
    /// Write an Event for each violation, as far as the API server keeps up
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = ArgAction::Set)]
    emit_admission_events: bool,
    /// Write Events into the namespace of the object that was judged, instead of the one that this runs in
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = ArgAction::Set)]
    admission_events_involved_namespace: bool,
    /// End the message of a denial with the id under which the log has it, and log each denial
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = ArgAction::Set)]
    show_decision_id: bool,
    /// End each message with the field that it is about, where that is found out in time: `(spec.containers[0].image)`
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = ArgAction::Set)]
    blame: bool,
    /// Log each mutation, with the mutators that had a part in it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = ArgAction::Set)]
    log_mutations: bool,
    /// Annotate what was mutated with the mutators that had a part in it, and a new id each time
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, value_parser = parse_bool, action = ArgAction::Set)]
    mutation_annotations: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "UPPER")]
enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
}

/// Gatekeeper's names.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "lower")]
enum Encoder {
    Lower,
    Capital,
    Color,
    CapitalColor,
}

impl LogArguments {
    /// Starts logging.
    pub(super) fn initialize(&self) -> Result<()> {
        let level = match self.log_level {
            LogLevel::Debug => Level::DEBUG,
            LogLevel::Info => Level::INFO,
            LogLevel::Warning | LogLevel::Error => Level::WARN,
        };
        let style = match self.log_level_encoder {
            Encoder::Lower => LevelStyle { is_capital: false, is_colored: false },
            Encoder::Capital => LevelStyle { is_capital: true, is_colored: false },
            Encoder::Color => LevelStyle { is_capital: false, is_colored: true },
            Encoder::CapitalColor => LevelStyle { is_capital: true, is_colored: true },
        };
        let format = LogFormat { level_key: self.log_level_key.clone(), style };
        let file = Some(&self.log_file).filter(|file| !file.is_empty());
        let open = |file: &String| {
            let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
            opened.with_context(|| format!("failed to open --log-file {file}"))
        };
        logs::initialize(level, format, file.map(open).transpose()?);
        Ok(())
    }
}

impl ReportArguments {
    /// What the server needs to know of it.
    pub(super) fn options(&self) -> ReportOptions {
        ReportOptions {
            logs_denies: self.log_denies,
            logs_stats: self.log_stats_admission,
            emits_events: self.emit_admission_events,
            events_beside_objects: self.admission_events_involved_namespace,
            shows_decision_id: self.show_decision_id,
            blames: self.blame,
        }
    }

    /// What is told of mutations.
    pub(super) fn mutation(&self) -> MutationOptions {
        MutationOptions { are_logged: self.log_mutations, are_annotated: self.mutation_annotations }
    }
}
