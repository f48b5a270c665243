//! What requests have used, reported when they are over.

use super::*;

/// Requests say which they are, and when they are done what they have used.
fn reported() -> Vec<Rule> {
    let known = Rule { request: Some("id".into()), tokens_default: Some(300), ..rule() };
    vec![in_phase("done", Rule { charge: Charge::Report, ..known.clone() }), known]
}

fn begun(id: &str, tokens: Option<u64>) -> RateLimitDescriptor {
    descriptor(&[("service", "chat"), ("id", id)], tokens)
}

fn done(id: &str, tokens: Option<u64>) -> RateLimitDescriptor {
    descriptor(&[("service", "chat"), ("phase", "done"), ("id", id)], tokens)
}

#[tokio::test]
async fn a_report_is_never_refused_and_what_it_exceeds_is_owed() {
    let report = in_phase("done", Rule { charge: Charge::Report, ..rule() });
    let service = start(vec![report, rule()]).await;
    let done = |tokens| descriptor(&[("service", "chat"), ("phase", "done")], Some(tokens));
    for (tokens, total, owed) in [(400, 400, 0), (2_000, 2_400, 1_400), (50, 2_450, 1_450), (0, 2_450, 1_450)]
    {
        assert_eq!(ask(&service, vec![done(tokens)]).await.overall_code(), Code::Ok);
        let headroom = service.headroom("chat").await;
        assert_eq!((headroom.settled_total, headroom.debt), (total, owed), "after {tokens}");
    }
    let refused = ask(&service, vec![chat(100)]).await;
    assert_eq!(header(&refused, "retry-after"), Some("16"), "1,450 are owed first, 100 a second");
    let service = service.crash().await;
    assert_eq!(service.headroom("chat").await.settled_total, 2_450);
    let nobody = descriptor(&[("service", "nobody"), ("phase", "done")], Some(10));
    assert_eq!(
        ask(&service, vec![nobody]).await.overall_code(),
        Code::OverLimit,
        "there is nobody to charge"
    );
    service.stop().await;
}

#[tokio::test]
async fn a_report_of_nothing_does_not_reach_the_journal() {
    let service = start(reported()).await;
    let before = service.journal_records().await;
    for id in ["a", "b", "c"] {
        assert_eq!(ask(&service, vec![done(id, Some(0))]).await.overall_code(), Code::Ok);
    }
    service.headroom("chat").await;
    assert_eq!(service.journal_records().await, before);
    service.stop().await;
}

#[tokio::test]
async fn a_report_is_charged_whatever_limits_bind() {
    let report = in_phase("done", Rule { charge: Charge::Report, ..rule() });
    let service = start(vec![report, rule()]).await;
    service.apply(policy_with(|terms| terms.requests_per_minute = Some(1))).await;
    let done = |tokens| descriptor(&[("service", "chat"), ("phase", "done")], Some(tokens));
    for (tokens, total) in [(100, 100), (200, 300), (300, 600)] {
        assert_eq!(ask(&service, vec![done(tokens)]).await.overall_code(), Code::Ok);
        assert_eq!(service.headroom("chat").await.settled_total, total);
    }
    service.stop().await;
}

#[tokio::test]
async fn what_a_request_asks_is_held_until_it_reports_what_it_used() {
    let service = start(reported()).await;
    for id in ["a", "b", "c"] {
        assert_eq!(ask(&service, vec![begun(id, None)]).await.overall_code(), Code::Ok);
    }
    let refused = ask(&service, vec![begun("d", None)]).await;
    assert_eq!(refused.overall_code(), Code::OverLimit, "900 of 1,000 are held by those under way");
    let headroom = service.headroom("chat").await;
    assert_eq!((headroom.settled_total, headroom.holds), (0, 3));
    for (id, used, settled, available) in [("a", 10, 10, 390), ("b", 0, 10, 690), ("c", 450, 460, 540)] {
        assert_eq!(ask(&service, vec![done(id, Some(used))]).await.overall_code(), Code::Ok);
        let headroom = service.headroom("chat").await;
        assert_eq!(
            (headroom.settled_total, headroom.standing.unwrap().available),
            (settled, available),
            "{id}"
        );
    }
    assert_eq!(service.headroom("chat").await.holds, 0);
    assert_eq!(ask(&service, vec![done("a", Some(10))]).await.overall_code(), Code::Ok);
    assert_eq!(
        service.headroom("chat").await.settled_total,
        470,
        "a second report is one of another request"
    );
    service.stop().await;
}

#[tokio::test]
async fn a_report_that_does_not_say_how_much_was_used_is_charged_what_was_held() {
    let service = start(reported()).await;
    ask(&service, vec![begun("a", Some(70))]).await;
    ask(&service, vec![done("a", None)]).await;
    assert_eq!(charged_and_held(&service, "chat").await, (70, 0));
    service.stop().await;
}

#[tokio::test]
async fn what_is_never_reported_is_charged_as_it_was_held() {
    let service = start(reported()).await;
    ask(&service, vec![begun("a", Some(70))]).await;
    ask(&service, vec![begun("a", Some(80))]).await;
    assert_eq!(service.headroom("chat").await.settled_total, 70, "an id that comes again is another request");
    service.advance(3_599);
    ask(&service, vec![chat(0)]).await;
    assert_eq!(service.headroom("chat").await.settled_total, 70);
    service.advance(1);
    ask(&service, vec![chat(0)]).await;
    assert_eq!(service.headroom("chat").await.settled_total, 150);
    ask(&service, vec![done("a", Some(5))]).await;
    assert_eq!(service.headroom("chat").await.settled_total, 155, "late, and used all the same");
    service.stop().await;
}

#[tokio::test]
async fn a_report_is_charged_once_whatever_became_of_its_hold() {
    let service = start(reported()).await;
    for id in ["crash", "stop"] {
        assert_eq!(ask(&service, vec![begun(id, Some(200))]).await.overall_code(), Code::Ok);
    }
    let service = service.crash().await;
    ask(&service, vec![done("crash", Some(150))]).await;
    assert_eq!(service.headroom("chat").await.settled_total, 150);
    let service = service.restart().await;
    ask(&service, vec![done("stop", Some(120))]).await;
    assert_eq!(service.headroom("chat").await.settled_total, 270);
    service.stop().await;
}

#[tokio::test]
async fn a_clean_end_gives_back_what_awaits_a_report() {
    let service = start(reported()).await;
    ask(&service, vec![begun("a", Some(900))]).await;
    let service = service.restart().await;
    assert_eq!(service.headroom("chat").await.standing.unwrap().available, 1_000);
    ask(&service, vec![done("a", Some(850))]).await;
    let headroom = service.headroom("chat").await;
    assert_eq!((headroom.settled_total, headroom.standing.unwrap().available), (850, 150));
    service.stop().await;
}
