//! Scenarios: all of Weir as processes, against the emulator as independent witness; and its tables on the real engine.

mod aggregator;
mod borrowing;
mod bursts;
mod crash;
mod envoy;
mod exactness;
mod first_steps;
mod outage;
mod policy;
mod showback;
mod simulate;
mod stage;
mod tables;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use weir_tests::process::maybe_run_as_weir;
use weir_tests::trials::{broker_trial, lacking, trial};

fn main() -> ExitCode {
    if let Some(code) = maybe_run_as_weir() {
        return code;
    }
    if let Some(trials) = chaos() {
        return libtest_mimic::run(&Arguments::default(), trials).exit_code();
    }
    let mut arguments = Arguments::from_args();
    // Each scenario uses the whole machine.
    arguments.test_threads = Some(1);
    let mut trials = whole_weir();
    trials.extend(on_one_stage());
    trials.extend(on_the_tables());
    trials.push(behind_envoy());
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// `chaos REQUESTS SEED`: the crash scenarios alone, as long and with the dice that are asked for.
fn chaos() -> Option<Vec<Trial>> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != "chaos" {
        return None;
    }
    let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok());
    let (Some(requests), Some(seed)) = (number(), number()) else {
        return Some(vec![Trial::test("usage", || Err("usage: chaos REQUESTS SEED".into()))]);
    };
    let size = crash::Size { requests: usize::try_from(requests).unwrap_or(usize::MAX), seed };
    Some(vec![
        trial("chaos::embedded", move || crash::embedded(size)),
        broker_trial("chaos::kafka", move |broker| crash::kafka(broker, size)),
    ])
}

fn whole_weir() -> Vec<Trial> {
    vec![
        trial("the_demo_shows_a_report_within_a_minute_and_stops_cleanly", first_steps::demo),
        trial("what_is_missing_is_said_and_where_it_goes", first_steps::what_is_missing),
        trial("weir_starts_though_its_folder_is_right_no_more", first_steps::a_folder_that_is_right_no_more),
        trial("verify_finds_a_single_token", first_steps::verify_finds_a_token),
        trial("a_request_id_and_a_trace_find_the_event", first_steps::request_finds_event),
        trial("two_thousand_mixed_requests_are_metered_to_the_token", exactness::embedded),
        trial("what_is_killed_loses_nothing_and_doubles_nothing", || crash::embedded(crash::SHORT)),
        broker_trial("kafka::two_thousand_mixed_requests_are_metered_to_the_token", exactness::kafka),
        broker_trial("kafka::what_is_killed_loses_nothing_and_doubles_nothing", |broker| {
            crash::kafka(broker, crash::SHORT)
        }),
        broker_trial(
            "kafka::an_open_allocation_is_served_while_quota_is_killed_up_to_its_bound_and_charged_afterwards",
            outage::an_open_allocation_is_served_while_quota_is_killed_up_to_its_bound_and_charged_afterwards,
        ),
    ]
}

/// What is governed, on one Weir that the first of them starts.
fn on_one_stage() -> Vec<Trial> {
    let shared = stage::Shared::default();
    let (bursts, borrowing, policy) = (shared.clone(), shared.clone(), shared.clone());
    vec![
        trial("a_burst_lifts_the_limit_while_it_lasts_and_survives_a_restart", move || {
            bursts::a_burst_lifts_the_limit_while_it_lasts_and_survives_a_restart(bursts)
        }),
        trial("a_service_borrows_what_others_leave_and_never_their_guarantee", move || {
            borrowing::a_service_borrows_what_others_leave_and_never_their_guarantee(borrowing)
        }),
        trial("export_of_an_applied_policy_plans_to_no_change", move || {
            policy::export_of_an_applied_policy_plans_to_no_change(policy)
        }),
        trial("a_candidate_shows_whom_it_would_refuse_and_refuses_nobody", move || {
            simulate::a_candidate_shows_whom_it_would_refuse_and_refuses_nobody(shared)
        }),
    ]
}

/// Needs Python, once, to fetch an Envoy.
fn behind_envoy() -> Trial {
    const NAME: &str = "an_envoy_admits_what_weir_admits_and_charges_what_was_used";
    match weir_tests::envoy::program() {
        Err(missing) => lacking(NAME, &missing.0),
        Ok(program) => {
            trial(NAME, move || envoy::an_envoy_admits_what_weir_admits_and_charges_what_was_used(program))
        }
    }
}

fn on_the_tables() -> Vec<Trial> {
    vec![
        trial("aggregator::every_event_is_in_the_tables_once", aggregator::every_event_is_in_the_tables_once),
        trial(
            "aggregator::aggregators_that_take_over_from_each_other_double_nothing",
            aggregator::aggregators_that_take_over_from_each_other_double_nothing,
        ),
        trial(
            "aggregator::an_engine_that_is_killed_loses_nothing_and_doubles_nothing",
            aggregator::an_engine_that_is_killed_loses_nothing_and_doubles_nothing,
        ),
        trial(
            "aggregator::totals_within_reach_leave_out_what_came_later",
            aggregator::totals_within_reach_leave_out_what_came_later,
        ),
        trial(
            "showback::a_report_is_exact_and_its_export_says_the_same",
            showback::a_report_is_exact_and_its_export_says_the_same,
        ),
        trial(
            "showback::days_and_hours_are_those_of_the_zone",
            showback::days_and_hours_are_those_of_the_zone,
        ),
        trial("showback::what_cannot_be_answered_is_said", showback::what_cannot_be_answered_is_said),
        trial("showback::a_request_id_finds_its_event", showback::a_request_id_finds_its_event),
    ]
}
