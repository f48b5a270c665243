//! What a descriptor is about, and how much it takes.

use super::*;

#[tokio::test]
async fn hits_are_those_of_the_descriptor_or_of_the_request_or_of_the_rule_or_one() {
    let silent = || descriptor(&[("service", "chat")], None);
    let service = start(vec![rule()]).await;
    let with = |hits_addend, descriptor| RateLimitRequest { hits_addend, ..asking(vec![descriptor]) };
    for (request, total) in [(with(5, chat(70)), 70), (with(5, silent()), 75), (with(0, silent()), 76)] {
        try_ask(&service, request).await.unwrap();
        assert_eq!(service.headroom("chat").await.settled_total, total);
    }
    service.stop().await;
    let service = start(vec![Rule { tokens_default: Some(30), ..rule() }]).await;
    ask(&service, vec![silent()]).await;
    assert_eq!(service.headroom("chat").await.settled_total, 30);
    service.stop().await;
}

#[tokio::test]
async fn a_shadow_rule_lets_pass_what_it_would_refuse_and_charges_only_the_rest() {
    let service = start(vec![Rule { shadow: true, ..rule() }]).await;
    for _ in 0..3 {
        let response = ask(&service, vec![chat(700)]).await;
        assert_eq!((response.overall_code(), codes(&response)), (Code::Ok, vec![Code::Ok]));
        assert_eq!(header(&response, "retry-after"), None);
    }
    assert_eq!(charged_and_held(&service, "chat").await, (700, 0));
    service.stop().await;
}

#[tokio::test]
async fn a_descriptor_that_fits_no_rule_is_answered_as_the_settings_say() {
    let stranger = || descriptor(&[("path", "/")], Some(1));
    let cases = [
        (Unmatched::Ok, Code::Ok),
        (Unmatched::Unknown, Code::Unknown),
        (Unmatched::OverLimit, Code::OverLimit),
    ];
    for (unmatched, code) in cases {
        let service = start_with(Envoy { unmatched, rules: vec![rule()] }).await;
        let response = ask(&service, vec![stranger()]).await;
        assert_eq!((response.overall_code(), codes(&response)), (code, vec![code]));
        let elsewhere = RateLimitRequest { domain: "web".into(), ..asking(vec![chat(10)]) };
        assert_eq!(try_ask(&service, elsewhere).await.unwrap().overall_code(), code);
        let both = ask(&service, vec![stranger(), chat(10)]).await;
        assert_eq!(both.overall_code(), code, "beside one that passes");
        let again = header(&both, "x-should-retry");
        assert_eq!(again, (code == Code::OverLimit).then_some("false"), "waiting does not make it fit");
        let charged = if code == Code::OverLimit { 0 } else { 10 };
        assert_eq!(service.headroom("chat").await.settled_total, charged);
        service.stop().await;
    }
}

#[tokio::test]
async fn of_several_rules_the_first_that_fits_counts() {
    let mut policy = policy();
    policy.services.push(self::service("search", 600, 100));
    let to_search = in_phase("*", Rule { service: Part::Fixed("search".into()), ..rule() });
    let by_pool = Rule { pool: entry("pool"), ..rule() };
    let service = start(vec![to_search, by_pool, rule()]).await;
    service.apply(policy).await;
    let cases = [
        (descriptor(&[("service", "chat"), ("phase", "any")], Some(1)), ("search", 1)),
        (descriptor(&[("pool", "gpt"), ("service", "chat")], Some(2)), ("chat", 2)),
        (descriptor(&[("service", "chat"), ("pool", "none")], Some(4)), ("chat", 2)),
        (descriptor(&[("service", "chat")], Some(8)), ("chat", 10)),
    ];
    for (asked, (name, total)) in cases {
        ask(&service, vec![asked]).await;
        assert_eq!(service.headroom(name).await.settled_total, total);
    }
    service.stop().await;
}

#[tokio::test]
async fn bad_input_names_its_field() {
    let service = start(vec![rule()]).await;
    let cases = [
        ("domain", RateLimitRequest { domain: String::new(), ..asking(vec![chat(1)]) }),
        ("descriptors", asking(vec![])),
        ("descriptors", asking(vec![chat(1); 33])),
        ("descriptors[1].entries", asking(vec![chat(1), descriptor(&[("k", "v"); 65], None)])),
        ("descriptors[0].hits_addend", asking(vec![chat(u64::MAX)])),
    ];
    for (field, request) in cases {
        let status = try_ask(&service, request).await.unwrap_err();
        assert_eq!(status.code(), Status::InvalidArgument, "{status}");
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
    assert_eq!(service.headroom("chat").await.settled_total, 0);
    service.stop().await;
}
