//! What is asked for and shown of bursts.

use super::*;
use tonic::Code;
use tonic_types::{ErrorDetails, PreconditionViolation};
use weir_domain::burst::{Approval, BurstRecord, Category, GrantedBurst};

fn burst(id: &str, start: i64) -> Burst {
    let at = Timestamp::from_secs;
    Burst {
        id: BurstId::try_new(id).unwrap(),
        service: ServiceId::try_new("chat").unwrap(),
        pool: "gpt".parse().unwrap(),
        extra: TokensPerMinute::new(60_000),
        window: Window::try_new(at(start), at(start + 100)).unwrap(),
        category: Category::Demo,
        reason: "the launch".to_owned(),
        requester: "Ada".to_owned(),
    }
}

fn state(record: &BurstRecord) -> BurstState {
    codec::burst_state_to_wire(record, Timestamp::from_secs(1_000), String::new())
}

fn granted(id: &str, start: i64) -> BurstState {
    let granted =
        GrantedBurst { burst: burst(id, start), approval: Approval::Guaranteed, approver: "Bo".to_owned() };
    state(&BurstRecord::granted(&granted, "fits"))
}

#[test]
fn what_is_next_comes_first_and_what_is_over_last() {
    let asked = state(&BurstRecord::requested(&burst("asked", 3_000)));
    let list =
        vec![granted("old", 100), granted("older", 50), asked, granted("now", 950), granted("soon", 2_000)];
    let table = table(list).unwrap().within(None);
    let place = |text: &str| table.find(text).unwrap_or_else(|| panic!("no {text} in\n{table}"));
    let rows = ["now ", "soon ", "asked ", "old ", "older "].map(place);
    assert!(rows.is_sorted(), "{table}");
    assert!(table.contains("demo: the launch") && table.contains("60 000"), "{table}");
    assert!(table.contains("approved: fits"), "{table}");
    assert!(table.contains(" Ada ") && table.contains(" Bo "), "{table}");
}

#[test]
fn where_a_guarantee_does_not_fit_best_effort_is_offered() {
    let violation = PreconditionViolation::new(DOES_NOT_FIT, "pools/gpt", "it exceeds the pool");
    let details = ErrorDetails::with_precondition_failure(vec![violation]);
    let status = Status::with_error_details(Code::FailedPrecondition, "it exceeds the pool", details);
    assert!(not_approved(&status).to_string().contains("with --best-effort"));
    assert_eq!(not_approved(&Status::not_found("no burst")).to_string(), "no burst");
}

#[test]
fn a_request_says_what_must_happen_next() {
    let answer =
        BurstResponse { burst: Some(state(&BurstRecord::requested(&burst("launch", 2_000)))), changed: true };
    let told = told(&answer).unwrap();
    assert!(
        told.starts_with("burst launch is requested: 60 000 tokens a minute more for chat in pool gpt"),
        "{told}"
    );
    assert!(told.ends_with("weir burst approve launch"), "{told}");
}

#[test]
fn a_burst_that_is_over_before_it_is_asked_for_is_refused_with_its_end() {
    let wanted = |start: &str, end: &str| cli::BurstRequest {
        service: "chat".parse().unwrap(),
        pool: "gpt".parse().unwrap(),
        extra: cli::Count(1),
        start: start.parse().unwrap(),
        end: end.parse().unwrap(),
        category: Category::Other,
        reason: "r".to_owned(),
        name: None,
        seen: cli::Seen::default(),
    };
    let now = Timestamp::from_secs(1_000_000);
    let told = |start, end| {
        asked(wanted(start, end), "ada".to_owned(), now).err().map(|problem| problem.to_string())
    };
    assert!(told("1970-01-01", "1970-01-02").unwrap().starts_with("--end 1970-01-02T00:00:00Z has passed"));
    assert!(told("+2h", "+1h").unwrap().contains("is not after --start"));
    assert_eq!(told("1970-01-01", "+1h"), None, "it may begin before it is asked for");
}

#[test]
fn a_list_fits_a_screen() {
    let mut wide = burst("shop-assistant-demo-2026-12-01", 3_000);
    wide.reason = "a reason that somebody gave at length, since they were asked to say why".to_owned();
    let table = table(vec![state(&BurstRecord::requested(&wide))]).unwrap().within(Some(80));
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert!(table.contains(" shop-assistant-demo-2026-12-01 "), "{table}");
}

#[test]
fn a_name_is_made_of_service_category_and_day() {
    let name = |service: &str| usual_name(&service.parse().unwrap(), "demo", Timestamp::EPOCH).unwrap();
    assert_eq!(name("chat").as_str(), "chat-demo-1970-01-01");
    assert_eq!(name(&"a".repeat(63)).as_str().len(), 63);
}
