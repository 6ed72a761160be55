//! `admit mutate`: manifests as they are after mutation.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::engine::EngineArguments;
use super::external_data::ExternalDataArguments;
use super::files::write_back;
use super::print;
use crate::manifest::ReadOptions;
use crate::model::review;
use crate::policy::snapshot::BuildOptions;
use crate::workbench::bundle::{self, BundledObject};
use crate::workbench::diagnostic::Diagnostic;
use crate::workbench::mutate::{Mutated, MutatedText, mutate_all, texts};

/// Arguments of `admit mutate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Mutators (Assign, AssignMetadata, ModifySet, AssignImage) act on every other object that is read, as \
the webhook lets them act on a request; they may be among the manifests or come from --mutators. Namespaces and Configs that \
are read count for what mutators match. Resources of Gatekeeper itself are not mutated and not printed. Comments, the order of \
keys and quotes stay as they are in the files.\n\nExamples:\n  admit mutate deploy/ --mutators mutators/          every \
manifest, mutated\n  admit mutate -f . --diff                           what would change\n  kustomize build . | admit mutate - \
--mutators mutators/ | kubectl apply -f -\n  admit mutate deploy/ --mutators mutators/ --write   the same in the \
files\n\nExit code: 0 when everything could be mutated, changed or not; 1 when something could not, or an input cannot be used; \
2 for a wrong command line."
)]
pub(super) struct MutateArguments {
    /// Files, directories or patterns of manifests; `-` is stdin
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The same, as kubectl and gator have it; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    filenames: Vec<PathBuf>,
    /// Files or directories with mutators, and with what they need: Namespaces, Configs. Nothing in them is printed. May be given
    /// several times
    #[arg(long, value_name = "PATH")]
    mutators: Vec<PathBuf>,
    /// What the request would do
    #[arg(long, value_enum, value_name = "OPERATION", default_value = "CREATE", ignore_case = true)]
    operation: Operation,
    /// How to print: yaml as it is in the files, or json
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Output,
    /// Print what changes, as a patch, instead of the manifests
    #[arg(long, conflicts_with = "output")]
    diff: bool,
    /// Write the files that change, and print their names
    #[arg(long, conflicts_with_all = ["output", "diff"])]
    write: bool,
    #[command(flatten)]
    external_data: ExternalDataArguments,
    #[command(flatten)]
    engine: EngineArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Operation {
    Create,
    Update,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Yaml,
    Json,
}

/// Runs the command.
pub(super) fn run(arguments: &MutateArguments) -> Result<ExitCode> {
    let paths = [arguments.paths.as_slice(), arguments.filenames.as_slice()].concat();
    let mut stdin = std::io::stdin();
    let is_piped = paths.is_empty() && !stdin.is_terminal() || paths.iter().any(|path| path.as_os_str() == "-");
    let input = is_piped.then_some(&mut stdin as &mut dyn Read);
    let options = ReadOptions { reads_dash: !paths.is_empty(), ..ReadOptions::lint() };
    let (manifests, mut problems) = bundle::read(&paths, input, &options, |one| one);
    let (mutators, mut wrong) = bundle::read(&arguments.mutators, None, &ReadOptions::lint(), |one| one);
    problems.append(&mut wrong);
    refuse(&problems)?;
    if manifests.is_empty() {
        bail!("no manifests; name files or directories, `-` for stdin, or pipe manifests in");
    }
    let build = arguments.external_data.apply(arguments.engine.build_options())?;
    let (bundle, problems) = load(&manifests, mutators, build);
    refuse(&problems)?;
    if bundle.snapshot.mutators().is_empty() {
        bail!("no mutators; put them among the manifests, or name files or directories of them with --mutators");
    }
    let operation = match arguments.operation {
        Operation::Create => review::Operation::Create,
        Operation::Update => review::Operation::Update,
    };
    let (mutated, mut problems) = mutate_all(&bundle.snapshot, &manifests, operation);
    let (texts, mut unwritable) = texts(&mutated);
    problems.append(&mut unwritable);
    show(&problems);
    for note in texts.iter().flat_map(|text| &text.edited.anew) {
        anstream::eprintln!(
            "note: {}: {} was written anew, without its comments: {}",
            note.location,
            note.path,
            note.reason
        );
    }
    let is_written = put(arguments, &mutated, &texts)?;
    Ok(if !problems.is_empty() || !is_written { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Everything compiled together; of one object, what is among the manifests counts.
fn load(
    manifests: &[BundledObject],
    mutators: Vec<BundledObject>,
    build: BuildOptions,
) -> (bundle::Bundle, Vec<Diagnostic>) {
    let all: Vec<BundledObject> = mutators.into_iter().chain(manifests.iter().cloned()).collect();
    let config = all.iter().find(|one| bundle::is_config(one.object.gvk()));
    let namespace = config.map(|one| one.object.namespace().to_owned()).unwrap_or_default();
    bundle::assemble(all, &namespace, build)
}

/// Prints or writes what was asked for; false when a file could not be written.
fn put(arguments: &MutateArguments, mutated: &[Mutated], texts: &[MutatedText]) -> Result<bool> {
    if arguments.write {
        let mut is_written = true;
        for text in texts.iter().filter(|text| text.is_changed()) {
            match write_back(&text.source, &text.edited.text) {
                Ok(()) => print(&format!("{}\n", text.source.name()))?,
                Err(message) => {
                    anstream::eprintln!("error: {message}");
                    is_written = false;
                }
            }
        }
        return Ok(is_written);
    }
    let shown: String = match (arguments.diff, arguments.output) {
        (true, _) => texts.iter().map(MutatedText::diff).collect(),
        (false, Output::Yaml) => {
            let documents: String = texts.iter().map(MutatedText::documents).collect();
            documents.strip_prefix("---\n").unwrap_or(&documents).to_owned()
        }
        (false, Output::Json) => as_json(mutated),
    };
    print(&shown)?;
    Ok(true)
}

/// One object as it is, several as a List.
fn as_json(mutated: &[Mutated]) -> String {
    let value = match mutated {
        [one] => one.after.clone(),
        several => {
            let items: Vec<&Value> = several.iter().map(|one| &one.after).collect();
            json!({"apiVersion": "v1", "kind": "List", "items": items})
        }
    };
    format!("{value:#}\n")
}

fn show(problems: &[Diagnostic]) {
    for problem in problems {
        anstream::eprintln!("error: {problem}");
    }
}

fn refuse(problems: &[Diagnostic]) -> Result<()> {
    show(problems);
    if problems.is_empty() {
        return Ok(());
    }
    let plural = if problems.len() == 1 { "problem" } else { "problems" };
    bail!("{} {plural} in the input; nothing was mutated", problems.len())
}
