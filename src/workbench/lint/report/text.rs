//! For people at a terminal: the lines that a finding is about, with carets under the value.

use std::fmt::Write;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::Look;
use super::groups::{SEVERITIES, counted};
use crate::workbench::lint::Report;
use crate::workbench::lint::finding::{Finding, Place, Precision, Severity};
use crate::workbench::lint::rules;

/// Of a value of more lines, so many are marked.
const MAX_LINES: u32 = 3;
/// Of a long line, so many characters are looked at behind the start of a value, more than any terminal is wide; and as
/// many before it, when it starts this far in the line.
const REACH: usize = 1000;
const FAR: usize = 100_000;

pub(super) fn render(report: &Report, look: Look<'_>) -> String {
    let renderer = if look.is_coloured { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(look.width).decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for finding in &report.findings {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\n", show(finding, &renderer));
    }
    text.push_str(&summary(report));
    text
}

/// `2 errors, 1 warning in 3 objects, judged by 4 rules`
pub(super) fn summary(report: &Report) -> String {
    let mut counts = Vec::new();
    for (severity, word) in SEVERITIES {
        let count = report.count(severity);
        if count > 0 {
            counts.push(counted(count, word));
        }
    }
    let found = if counts.is_empty() { "nothing found".to_owned() } else { counts.join(", ") };
    let (objects, rules) = (counted(report.objects, "object"), counted(report.constraints(), "rule"));
    let left_out: String = report.left_out.lines().iter().map(|line| format!("{line}\n")).collect();
    format!("{found} in {objects}, judged by {rules}\n{left_out}")
}

fn show(finding: &Finding, renderer: &Renderer) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let window = Window::of(&finding.place, if finding.precision == Precision::Value { MAX_LINES } else { 1 });
    let label = clean(&label(finding));
    let primary = AnnotationKind::Primary.span(window.span.clone()).label(label.as_str());
    let location = &finding.place.location;
    // A name is shown as it is, and one with escapes would speak to the terminal.
    let file = clean(&location.file);
    let id = clean(&finding.rule.id);
    let snippet = Snippet::source(window.text.as_str()).line_start(window.first_line).fold(false).annotation(primary);
    let title = level.primary_title(finding.message.as_str()).id(id.as_str());
    let mut group: Group<'_> = if window.is_cut {
        // The column in what is left of the line is not that in the file.
        let origin = Origin::path(file.as_str()).line(window.first_line).char_column(location.column as usize);
        title.element(origin).element(snippet)
    } else {
        title.element(snippet.path(file.as_str()))
    };
    let policy = clean(&policy(finding));
    group = group.element(Level::NOTE.with_name(Some("policy")).message(policy.as_str()));
    let help = finding.help().map(|help| clean(&help));
    if let Some(help) = &help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let fix = finding.fix.as_ref().map(|fix| clean(&fix.line()));
    if let Some(fix) = &fix {
        group = group.element(Level::HELP.with_name(Some("fix")).message(fix.as_str()));
    }
    renderer.render(&[group])
}

fn clean(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// What stands at the place.
fn label(finding: &Finding) -> String {
    let object = &finding.object;
    let implied =
        finding.implied.as_ref().map(|kind| format!(", seen in the {kind} that it makes")).unwrap_or_default();
    let name = match object.namespace.as_str() {
        "" => format!("{} {}", object.gvk.kind, object.name),
        namespace => format!("{} {namespace}/{}", object.gvk.kind, object.name),
    };
    let rendered = finding.rendered_from.as_ref().map(|file| format!(", rendered from {file}")).unwrap_or_default();
    let implied = format!("{implied}{rendered}");
    match (finding.precision, &finding.missing) {
        (Precision::Object, _) => format!("{name} (which field is not known){implied}"),
        (_, Some(missing)) => format!("{missing} is missing from {name}{implied}"),
        (_, None) if finding.field.segments().is_empty() => name,
        (_, None) => format!("{} of {name}{implied}", finding.field),
    }
}

/// `repo-is-approved: Images come from approved registries (https://…)`
fn policy(finding: &Finding) -> String {
    let rule = &finding.rule;
    let name = if rule.constraint.is_empty() { &rule.id } else { &rule.constraint };
    let about = rule.title.as_ref().or(rule.description.as_ref());
    let about = about.map(|about| format!(": {about}")).unwrap_or_default();
    let page = rules::find(&rule.id).filter(|_| rule.constraint.is_empty());
    let page = page.map(|page| format!("`admit explain {}`", page.code));
    let docs = rule.docs.clone().or(page).map(|docs| format!(" ({docs})")).unwrap_or_default();
    format!("{name}{about}{docs}")
}

fn characters_before(column: u32) -> usize {
    usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1)
}

/// The lines around a place, and the bytes of the place among them.
struct Window {
    text: String,
    first_line: usize,
    span: Range<usize>,
    /// Whether the first line has lost its start.
    is_cut: bool,
}

impl Window {
    fn of(place: &Place, most: u32) -> Self {
        let location = &place.location;
        let is_long = location.end_line.saturating_sub(location.line) >= most;
        let last_line = if is_long { location.line } else { location.end_line };
        let first_line = location.line as usize;
        let mut window = Self { text: String::new(), first_line, span: 0..0, is_cut: false };
        for line in location.line..=last_line {
            let Some(text) = place.source.line(line) else { break };
            let start = window.text.len();
            let is_first = line == location.line;
            let before = if is_first { characters_before(location.column) } else { 0 };
            let lost = if before > FAR { before - REACH } else { 0 };
            window.is_cut |= lost > 0;
            let shown = text.chars().skip(lost).take(before - lost + REACH);
            // One character for one, so that columns stay.
            window.text.extend(shown.map(|character| if character.is_control() { ' ' } else { character }));
            let byte_of = |column: u32| {
                let characters = characters_before(column).saturating_sub(lost);
                let line = window.text.get(start..).unwrap_or_default();
                start + line.char_indices().nth(characters).map_or(line.len(), |(offset, _)| offset)
            };
            let (begin, end) = (byte_of(location.column), byte_of(location.end_column));
            if is_first {
                window.span.start = begin;
            }
            if line == last_line {
                window.span.end = if is_long { window.text.len() } else { end };
            }
            window.text.push('\n');
        }
        let least = window.text.get(window.span.start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        // A value that is a place only, such as the nothing behind `key:`, still gets one caret.
        window.span.end = window.span.end.max(window.span.start + least).min(window.text.len());
        window
    }
}
