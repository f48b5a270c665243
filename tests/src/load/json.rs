//! Outcomes as JSON for programs, every round's figures included.

use serde_json::{Map, Value, json};

use super::machine::Machine;
use super::options::Options;
use super::placement::Placement;
use super::rounds::{Outcome, Pair};
use super::spread::Spread;

/// All of a run.
pub fn report(benchmark: &str, options: &Options, outcomes: &[(Placement, Outcome)]) -> Value {
    json!({
        "benchmark": benchmark,
        "extent": options.extent.as_str(),
        "machine": Machine::this(),
        "outcomes": outcomes.iter().map(|(placement, outcome)| one(*placement, outcome)).collect::<Vec<_>>(),
    })
}

fn one(placement: Placement, outcome: &Outcome) -> Value {
    let sides: Map<String, Value> =
        outcome.sides.iter().map(|(side, _)| ((*side).to_owned(), figures(outcome, side))).collect();
    json!({
        "placement": placement.as_str(),
        "load": outcome.load.to_string(),
        "rounds": outcome.plan.rounds,
        "seconds_per_round": outcome.plan.span.as_secs_f64(),
        "others_share": outcome.others_share,
        "sides": sides,
        "comparisons": outcome.pairs.iter().map(|pair| comparison(outcome, *pair)).collect::<Vec<_>>(),
        "targets": outcome.targets.iter().map(|target| target.verdict(outcome)).collect::<Vec<_>>(),
    })
}

fn figures(outcome: &Outcome, side: &str) -> Value {
    let one = |figures: Vec<f64>| json!({ "spread": Spread::of(figures.clone()), "rounds": figures });
    let of_metric = |metric| {
        let figures: Vec<f64> = outcome.figures(side, metric);
        (!figures.is_empty()).then(|| (metric.name.to_owned(), one(figures)))
    };
    Value::Object(outcome.metrics().into_iter().filter_map(of_metric).collect())
}

fn comparison(outcome: &Outcome, pair: Pair) -> Value {
    let of_metric = |metric: super::rounds::Metric| {
        let spread = outcome.compared(pair, metric)?;
        Some((metric.name.to_owned(), json!({ "kind": metric.compare, "spread": spread })))
    };
    let metrics: Map<String, Value> = outcome.metrics().into_iter().filter_map(of_metric).collect();
    json!({ "candidate": pair.candidate, "floor": pair.floor, "metrics": metrics })
}
