//! The whole life of a burst over the wire: asked for, decided, begun and ended on time, across restarts.

use tonic::Code;
use tonic_types::StatusExt;
use weir_proto::governance::v1::{self as wire, BurstPhase};
use weir_proto::quota::v1 as quota;

use crate::people::*;
use crate::support::Service;

/// Somebody of every role who has to do with bursts.
struct People {
    lead: Person,
    approver: Person,
    viewer: Person,
}

impl People {
    async fn of(service: &Service) -> Self {
        Self {
            lead: Person::named(service, "wendy").await,
            approver: Person::named(service, "grace").await,
            viewer: Person::named(service, "victor").await,
        }
    }

    async fn ask(&mut self, burst: wire::Burst) -> wire::BurstState {
        self.lead.governance.request_burst(asking(burst)).await.unwrap().into_inner().burst.unwrap()
    }

    async fn approve(&mut self, burst: &str) -> wire::BurstState {
        self.approver.governance.approve_burst(approving(burst)).await.unwrap().into_inner().burst.unwrap()
    }

    /// Names and phases, in order of start.
    async fn listed(&mut self, all: bool) -> Vec<(String, BurstPhase)> {
        let request = wire::ListBurstsRequest { service: String::new(), all };
        let bursts = self.viewer.governance.list_bursts(request).await.unwrap().into_inner().bursts;
        bursts.into_iter().map(|state| (state.burst.clone().unwrap().id, state.phase())).collect()
    }

    async fn phase(&mut self, burst: &str) -> BurstPhase {
        self.listed(true).await.into_iter().find(|(id, _)| id == burst).unwrap().1
    }

    /// The rate that `chat` is guaranteed now, and the rate it may reach.
    async fn rates(&mut self) -> (u64, u64) {
        let request = quota::GetHeadroomRequest {
            service: "chat".into(),
            pool: "gpt".into(),
            ..quota::GetHeadroomRequest::default()
        };
        let headroom = self.viewer.admission.get_headroom(request).await.unwrap().into_inner();
        let headroom = headroom.allocations.into_iter().next().unwrap();
        let best_effort: u64 = headroom
            .bursts
            .iter()
            .filter(|burst| burst.best_effort)
            .map(|burst| burst.extra_per_minute)
            .sum();
        let guaranteed = headroom.standing.unwrap().rate_per_minute;
        (guaranteed, guaranteed + best_effort)
    }
}

#[tokio::test]
async fn a_burst_begins_and_ends_on_time_with_nobody_calling() {
    let service = organisation().await;
    let mut people = People::of(&service).await;
    people.ask(burst("launch", (60, 120))).await;
    people.approve("launch").await;
    assert_eq!(people.rates().await.0, 6_000);
    service.advance(59);
    assert_eq!((people.rates().await.0, people.phase("launch").await), (6_000, BurstPhase::Upcoming));
    service.advance(1);
    assert_eq!((people.rates().await.0, people.phase("launch").await), (12_000, BurstPhase::Active));
    service.advance(59);
    assert_eq!((people.rates().await.0, people.phase("launch").await), (12_000, BurstPhase::Active));
    service.advance(1);
    assert_eq!((people.rates().await.0, people.phase("launch").await), (6_000, BurstPhase::Expired));
    service.stop().await;
}

#[tokio::test]
async fn a_burst_outlives_a_restart_at_every_point_of_its_life() {
    let service = organisation().await;
    People::of(&service).await.ask(burst("launch", (60, 120))).await;
    let service = service.restart().await;
    let mut people = People::of(&service).await;
    assert_eq!(people.phase("launch").await, BurstPhase::Requested);
    let approved = people.approve("launch").await;
    assert_eq!(
        (approved.phase(), approved.burst.unwrap().approved_by.as_str()),
        (BurstPhase::Upcoming, "grace")
    );

    let service = service.restart().await;
    service.advance(60);
    let service = service.restart().await;
    let mut people = People::of(&service).await;
    assert_eq!((people.rates().await.0, people.phase("launch").await), (12_000, BurstPhase::Active));
    let extended =
        people.approver.governance.extend_burst(extending("launch", 240)).await.unwrap().into_inner();
    assert!(extended.changed);

    service.advance(120);
    let service = service.restart().await;
    let mut people = People::of(&service).await;
    assert_eq!((people.rates().await.0, people.phase("launch").await), (12_000, BurstPhase::Active));
    service.advance(60);
    let service = service.restart().await;
    let mut people = People::of(&service).await;
    assert_eq!((people.rates().await.0, people.phase("launch").await), (6_000, BurstPhase::Expired));
    service.stop().await;
}

#[tokio::test]
async fn a_burst_that_began_and_ended_while_nobody_was_there_is_over() {
    let service = organisation().await;
    let mut people = People::of(&service).await;
    people.ask(burst("launch", (60, 120))).await;
    people.approve("launch").await;
    let setup = service.setup.clone();
    service.stop().await;
    setup.clock.advance(std::time::Duration::from_hours(1));
    let service = Service::start_with(setup).await;
    let mut people = People::of(&service).await;
    assert_eq!((people.rates().await.0, people.phase("launch").await), (6_000, BurstPhase::Expired));
    service.stop().await;
}

#[tokio::test]
async fn a_burst_that_never_fits_is_refused_as_a_guarantee_and_may_be_best_effort() {
    let service = organisation().await;
    let mut people = People::of(&service).await;
    people.ask(wire::Burst { extra_per_minute: 40_000, ..burst("first", (60, 180)) }).await;
    people.approve("first").await;
    people.ask(burst("second", (120, 240))).await;
    let refused = people.approver.governance.approve_burst(approving("second")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let violation = &refused.get_details_precondition_failure().unwrap().violations[0];
    assert_eq!((violation.r#type.as_str(), violation.subject.as_str()), ("DOES_NOT_FIT", "pools/gpt"));
    assert!(violation.description.contains("4000 tokens a minute"), "{}", violation.description);
    assert_eq!(people.phase("second").await, BurstPhase::Requested);

    let best = wire::ApproveBurstRequest { best_effort: true, ..approving("second") };
    let best = people.approver.governance.approve_burst(best).await.unwrap().into_inner().burst.unwrap();
    assert!(best.burst.unwrap().best_effort);
    service.advance(120);
    assert_eq!(people.rates().await, (46_000, 52_000));
    service.stop().await;
}

#[tokio::test]
async fn what_is_denied_or_revoked_never_counts_again() {
    let service = organisation().await;
    let mut people = People::of(&service).await;
    for name in ["no", "stopped", "withdrawn"] {
        people.ask(burst(name, (60, 120))).await;
    }
    let denied = people.approver.governance.deny_burst(deciding("no")).await.unwrap().into_inner();
    let state = denied.burst.unwrap();
    assert_eq!((state.phase(), state.decided_by.as_str()), (BurstPhase::Denied, "grace"));
    assert_eq!(state.decision_reason, "not now");
    people.approve("stopped").await;
    service.advance(90);
    assert_eq!(people.rates().await.0, 12_000);
    people.approver.governance.revoke_burst(deciding("stopped")).await.unwrap();
    assert_eq!(people.rates().await.0, 6_000);
    let withdrawn = people.lead.governance.revoke_burst(deciding("withdrawn")).await.unwrap().into_inner();
    assert_eq!(withdrawn.burst.unwrap().decided_by, "wendy");

    for name in ["no", "stopped", "withdrawn"] {
        let late = people.approver.governance.approve_burst(approving(name)).await.unwrap_err();
        assert_eq!(late.code(), Code::FailedPrecondition, "{name}: {late}");
        let again = people.lead.governance.request_burst(asking(burst(name, (200, 300)))).await.unwrap_err();
        assert_eq!(again.code(), Code::AlreadyExists, "{name}: {again}");
    }
    assert_eq!(people.listed(false).await, []);
    service.stop().await;
}

#[tokio::test]
async fn bursts_are_listed_by_when_they_begin() {
    let service = organisation().await;
    let mut people = People::of(&service).await;
    for (name, window) in
        [("third", (300, 400)), ("first", (100, 200)), ("second", (200, 300)), ("past", (1, 50))]
    {
        people.ask(burst(name, window)).await;
    }
    people.approve("second").await;
    service.advance(60);
    let coming = [
        ("first".to_owned(), BurstPhase::Requested),
        ("second".to_owned(), BurstPhase::Upcoming),
        ("third".to_owned(), BurstPhase::Requested),
    ];
    assert_eq!(people.listed(false).await, coming);
    assert_eq!(people.listed(true).await[0], ("past".to_owned(), BurstPhase::Expired));
    service.stop().await;
}

#[tokio::test]
async fn what_is_so_already_changes_nothing() {
    let service = organisation().await;
    let mut people = People::of(&service).await;
    let wanted = burst("launch", (60, 120));
    people.ask(wanted.clone()).await;
    let again = people.lead.governance.request_burst(asking(wanted)).await.unwrap().into_inner();
    assert!(!again.changed);
    let first = people.approve("launch").await;
    let before = service.journal_records().await;
    let again = people.approver.governance.approve_burst(approving("launch")).await.unwrap().into_inner();
    assert!(!again.changed);
    assert_eq!(again.burst.unwrap().etag, first.etag);
    assert_eq!(service.journal_records().await, before);
    service.stop().await;
}

#[tokio::test]
async fn whoever_saw_an_older_version_must_look_again() {
    let service = organisation().await;
    let mut people = People::of(&service).await;
    let seen = people.ask(burst("launch", (60, 120))).await.etag;
    let meanwhile = people.ask(burst("other", (60, 120))).await.etag;
    let late = wire::ApproveBurstRequest { etag: seen.clone(), ..approving("launch") };
    let aborted = people.approver.governance.approve_burst(late).await.unwrap_err();
    assert_eq!(aborted.code(), Code::Aborted);
    let info = aborted.get_details_error_info().unwrap();
    assert_eq!((&info.metadata["expected"], &info.metadata["found"]), (&seen, &meanwhile));
    let fresh = wire::ApproveBurstRequest { etag: meanwhile, ..approving("launch") };
    people.approver.governance.approve_burst(fresh).await.unwrap();
    let nonsense = wire::DecideBurstRequest { etag: "yesterday".into(), ..deciding("launch") };
    let invalid = people.approver.governance.revoke_burst(nonsense).await.unwrap_err();
    assert_eq!(invalid.get_details_bad_request().unwrap().field_violations[0].field, "etag");
    service.stop().await;
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_told_what_is_wrong() {
    let service = organisation().await;
    let mut people = People::of(&service).await;
    let mut asked =
        async |burst: wire::Burst| people.lead.governance.request_burst(asking(burst)).await.unwrap_err();
    let good = || burst("launch", (60, 120));
    let status = asked(wire::Burst { extra_per_minute: 0, ..good() }).await;
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "burst launch");
    assert_eq!(asked(burst("launch", (-20, -10))).await.code(), Code::FailedPrecondition);
    assert_eq!(asked(burst("launch", (20, 10))).await.code(), Code::InvalidArgument);
    assert_eq!(asked(wire::Burst { pool: "unheard".into(), ..good() }).await.code(), Code::NotFound);
    assert_eq!(asked(wire::Burst { pool: "ada".into(), ..good() }).await.code(), Code::FailedPrecondition);
    assert_eq!(asked(wire::Burst { reason: " ".into(), ..good() }).await.code(), Code::InvalidArgument);
    assert_eq!(
        asked(wire::Burst { approved_by: "wendy".into(), ..good() }).await.code(),
        Code::InvalidArgument
    );
    let unheard = people.approver.governance.approve_burst(approving("unheard")).await.unwrap_err();
    assert_eq!(unheard.code(), Code::NotFound);
    let backwards = extending("unheard", 10);
    assert_eq!(people.approver.governance.extend_burst(backwards).await.unwrap_err().code(), Code::NotFound);
    service.stop().await;
}

#[tokio::test]
async fn no_burst_is_asked_for_or_extended_beyond_all_bounds() {
    const YEAR_S: i64 = 366 * 86_400;
    let service = organisation().await;
    let mut people = People::of(&service).await;
    for (absurd, told) in [
        (
            wire::Burst { extra_per_minute: 1 << 60, ..burst("launch", (60, 120)) },
            "extra is 1152921504606846976",
        ),
        (burst("launch", (60, 100 * YEAR_S)), "end is "),
        (burst("launch", (3 * YEAR_S, 3 * YEAR_S + 60)), "start is "),
    ] {
        let refused = people.lead.governance.request_burst(asking(absurd)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        let said = format!("burst launch: {told}");
        assert!(refused.message().starts_with(&said) && !refused.message().contains('\n'), "{refused}");
    }
    people.ask(burst("launch", (60, 120))).await;
    people.approve("launch").await;
    let late = extending("launch", 60 + YEAR_S + 1);
    let refused = people.approver.governance.extend_burst(late).await.unwrap_err();
    assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "end", "{refused}");
    assert!(refused.message().contains("what lasts longer belongs into the baseline"), "{refused}");
    people.approver.governance.extend_burst(extending("launch", 60 + YEAR_S)).await.unwrap();
    service.stop().await;
}

#[tokio::test]
async fn a_service_that_may_have_no_burst_is_named() {
    let service = organisation().await;
    let mut ada = Person::named(&service, "ada").await;
    let mut asked = async |burst: wire::Burst| ada.governance.request_burst(asking(burst)).await.unwrap_err();
    let nobody = asked(wire::Burst { service: "nobody".into(), ..burst("launch", (60, 120)) }).await;
    let message = "there is no service named nobody; define it in the policy first";
    assert_eq!((nobody.code(), nobody.message()), (Code::NotFound, message));
    let elsewhere = asked(wire::Burst { pool: "ada".into(), ..burst("launch", (60, 120)) }).await;
    assert!(
        elsewhere.message().starts_with("pool ada: service chat has no allocation"),
        "{}",
        elsewhere.message()
    );
    service.stop().await;
}
