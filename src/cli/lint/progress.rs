//! A bar for people who wait: on a terminal only, and only when there is something to wait for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is done by then needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counts objects, and shows how many after a while.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
    is_shown: AtomicBool,
}

impl Progress {
    pub(super) fn new(objects: usize) -> Self {
        let length = u64::try_from(objects).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
        // The template is a constant; without it the bar looks plainer.
        if let Ok(style) = ProgressStyle::with_template("judging [{bar:30}] {pos}/{len} objects, {eta} left") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, started: Instant::now(), is_shown: AtomicBool::new(false) }
    }

    /// One more object was judged.
    pub(super) fn step(&self) {
        self.bar.inc(1);
        if self.started.elapsed() > PATIENCE && !self.is_shown.swap(true, Ordering::Relaxed) {
            // Draws nothing where stderr is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Leaves the terminal as it was.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
