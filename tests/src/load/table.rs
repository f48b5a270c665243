//! Outcomes as tables for people.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table, TableComponent};

use super::placement::Placement;
use super::rounds::{Compare, Metric, Outcome, Pair};
use super::spread::Spread;

/// One outcome as a table under a line that says what it is of.
pub fn render(benchmark: &str, placement: Placement, outcome: &Outcome) -> String {
    let plan = outcome.plan;
    let title = format!(
        "{benchmark} · {placement} · {} · {} rounds of {} · others used {:.0} % of the machine",
        outcome.load,
        plan.rounds,
        seconds(plan.span.as_secs_f64()),
        outcome.others_share * 100.0
    );
    let metrics = outcome.metrics();
    let mut table = Table::new();
    table.load_preset(NOTHING).set_style(TableComponent::HeaderLines, '─').set_header(header(&metrics));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for (side, _) in &outcome.sides {
        let figure =
            |metric: &Metric| cell(Spread::of(outcome.figures(side, *metric)), |spread| spread.to_string());
        table.add_row(std::iter::once((*side).to_owned()).chain(metrics.iter().map(figure)));
    }
    for pair in &outcome.pairs {
        let figure = |metric: &Metric| {
            cell(outcome.compared(*pair, *metric), |spread| comparison(metric.compare, spread))
        };
        table.add_row(std::iter::once(label(*pair)).chain(metrics.iter().map(figure)));
    }
    let verdicts: Vec<_> = outcome.targets.iter().map(|target| target.verdict(outcome)).collect();
    format!("\n{title}\n{table}\n{}\n", verdicts.join("\n"))
}

fn seconds(span: f64) -> String {
    if span == 0.0 { "that work".to_owned() } else { format!("{span:.1} s") }
}

fn header(metrics: &[Metric]) -> Vec<String> {
    std::iter::once(String::new()).chain(metrics.iter().map(|metric| metric.name.to_owned())).collect()
}

fn label(pair: Pair) -> String {
    format!("→ {} against {}", pair.candidate, pair.floor)
}

fn cell(spread: Option<Spread>, show: impl Fn(Spread) -> String) -> String {
    spread.map_or_else(|| "–".to_owned(), show)
}

fn comparison(compare: Compare, spread: Spread) -> String {
    match compare {
        Compare::Ratio => format!("× {spread:.2}"),
        Compare::Added => {
            let Spread { median, min, max } = spread;
            format!("{median:+.0} ({min:+.0} … {max:+.0})")
        }
    }
}
