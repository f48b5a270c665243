//! How far a simulation has come: a bar where somebody looks, a few lines elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use weir_proto::codec;
use weir_proto::governance::v1::{SimulationProgress, SimulationStage};

use crate::instant::shown;
use crate::output;

/// Elsewhere a line is written every so many percent.
const LINE_PERCENT: u64 = 25;

/// Shows progress on stderr, beside what the command gives back.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    stage: SimulationStage,
    lines: u64,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{prefix:20} [{bar:30}] {human_pos}/{human_len} {msg}";
            let style = ProgressStyle::with_template(template).expect("the template is well-formed");
            ProgressBar::new(0).with_style(style.progress_chars("=> "))
        });
        Self { bar, stage: SimulationStage::Unspecified, lines: 0 }
    }

    pub(super) fn show(&mut self, how_far: &SimulationProgress) {
        if self.stage != how_far.stage() {
            (self.stage, self.lines) = (how_far.stage(), 0);
        }
        match &self.bar {
            Some(bar) => draw(bar, how_far),
            None => self.write(how_far),
        }
    }

    fn write(&mut self, how_far: &SimulationProgress) {
        let percent = how_far.done * 100 / how_far.total.max(1);
        let line = percent / LINE_PERCENT;
        if line > self.lines {
            self.lines = line;
            output::note(&format!("{}: {} %", stage(how_far.stage()), line * LINE_PERCENT));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn draw(bar: &ProgressBar, how_far: &SimulationProgress) {
    bar.set_prefix(stage(how_far.stage()));
    bar.set_length(how_far.total);
    bar.set_position(how_far.done);
    let at = codec::timestamp_from_wire(how_far.at.as_ref(), "at");
    bar.set_message(at.map_or_else(|_| String::new(), shown));
}

const fn stage(stage: SimulationStage) -> &'static str {
    match stage {
        SimulationStage::Unspecified => "simulating",
        SimulationStage::Reading => "reading the journal",
        SimulationStage::Playing => "playing requests",
    }
}
