//! How far fetching has come, and how a terminal or a log shows it.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// Lines that a log gets in each step: one per this many percent.
const LOG_PERCENT: u64 = 20;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The package comes.
    Download,
    /// The library is taken out of it and checked.
    Unpack,
    /// A library that was there is checked.
    Check,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

impl Step {
    fn text(self) -> &'static str {
        match self {
            Self::Download => "fetching the ClickHouse library",
            Self::Unpack => "unpacking the ClickHouse library",
            Self::Check => "checking the ClickHouse library",
        }
    }
}

/// Shows progress: as a bar if stderr is a terminal, else as a few log lines.
pub fn terminal() -> impl FnMut(Progress) {
    let mut bar: Option<(Step, ProgressBar)> = None;
    let mut logged: Option<(Step, u64)> = None;
    let is_terminal = std::io::stderr().is_terminal();
    move |progress| {
        if is_terminal {
            draw(&mut bar, progress);
        } else {
            log(&mut logged, progress);
        }
    }
}

fn draw(bar: &mut Option<(Step, ProgressBar)>, progress: Progress) {
    if bar.as_ref().is_none_or(|(step, _)| *step != progress.step) {
        let template = "{msg:32} [{bar:30}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec}";
        let style = ProgressStyle::with_template(template).expect("the template is well-formed");
        let new = ProgressBar::new(progress.total_bytes).with_style(style.progress_chars("=> "));
        new.set_message(progress.step.text());
        *bar = Some((progress.step, new));
    }
    if let Some((_, bar)) = bar {
        bar.set_position(progress.done_bytes.min(progress.total_bytes));
        if progress.done_bytes >= progress.total_bytes {
            bar.finish();
        }
    }
}

fn log(logged: &mut Option<(Step, u64)>, progress: Progress) {
    let percent = progress.done_bytes * 100 / progress.total_bytes.max(1);
    let line = percent.min(100) / LOG_PERCENT;
    if *logged != Some((progress.step, line)) {
        *logged = Some((progress.step, line));
        tracing::info!("{}: {} %", progress.step.text(), line * LOG_PERCENT);
    }
}
