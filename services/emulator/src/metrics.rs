//! What the emulator counts.

use metrics::{Unit, counter, describe_counter};

use crate::ledger::Entry;

const REQUESTS: &str = "weir_emulator_requests_total";
const TOKENS: &str = "weir_emulator_served_tokens_total";

/// Describes the metrics. Once a process.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "Requests that have ended, by deployment and HTTP status.");
    describe_counter!(TOKENS, Unit::Count, "Tokens served, by deployment and direction (input, output).");
}

pub(crate) fn served(entry: &Entry) {
    let deployment = || entry.deployment.clone();
    counter!(REQUESTS, "deployment" => deployment(), "status" => entry.status.to_string()).increment(1);
    counter!(TOKENS, "deployment" => deployment(), "direction" => "input").increment(entry.prompt_tokens);
    counter!(TOKENS, "deployment" => deployment(), "direction" => "output")
        .increment(entry.completion_tokens);
}
