//! Rows of the one table that all benchmarks print, in Markdown. `tests/bench/run` puts them under one head.

#![allow(dead_code, reason = "no benchmark needs all of it")]

/// What a row says: what was measured, its figure, what it is compared with, how many times the figure that is or should
/// be, and memory. Empty where there is nothing to say.
#[derive(Default)]
pub(crate) struct Row<'a> {
    pub(crate) case: &'a str,
    pub(crate) figure: String,
    pub(crate) reference: String,
    pub(crate) ratio: String,
    pub(crate) memory: String,
}

/// The head, for those who run one benchmark alone.
pub(crate) fn head() {
    println!("| part | case | admit | beside | ratio | memory |\n|---|---|---:|---:|---:|---:|");
}

pub(crate) fn row(part: &str, Row { case, figure, reference, ratio, memory }: Row<'_>) {
    println!("| {part} | {case} | {figure} | {reference} | {ratio} | {memory} |");
}

/// Microseconds, with as many digits as mean something.
pub(crate) fn micros(micros: f64) -> String {
    match micros {
        small if small < 100.0 => format!("{small:.2} µs"),
        medium if medium < 10_000.0 => format!("{medium:.0} µs"),
        large => format!("{:.1} ms", large / 1e3),
    }
}

pub(crate) fn times(ratio: f64) -> String {
    format!("{ratio:.2}×")
}

/// MiB of this process in memory; zero where the system does not say.
pub(crate) fn resident_mib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

pub(crate) fn mib(mib: f64) -> String {
    format!("{mib:.1} MiB")
}
