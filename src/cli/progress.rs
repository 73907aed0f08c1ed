//! How far long work is: a bar on standard error, and only where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::Terminal;

pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Of so many of that name.
    pub(super) fn new(name: &str, of: usize, terminal: &Terminal) -> Self {
        let target = if terminal.err.is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(of as u64), target);
        if let Ok(style) = ProgressStyle::with_template(&format!("{{bar:30}} {{pos}}/{{len}} {name} {{eta}}")) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// One more is done.
    pub(super) fn one(&self) {
        self.0.inc(1);
    }

    pub(super) fn done(&self) {
        self.0.finish_and_clear();
    }
}
