//! One of every quota fact, with nothing left out that can be there.

use weir_domain::access::{AccessKey, Role};
use weir_domain::amount::{Money, Requests, RequestsPerMinute, Tokens, TokensPerMinute};
use weir_domain::authorship::Authorship;
use weir_domain::bucket::Level;
use weir_domain::budget::{Budget, BudgetKind, BudgetLimit};
use weir_domain::burst::{Approval, Burst, Category, GrantedBurst};
use weir_domain::calendar::{Period, Zone};
use weir_domain::directory::{CallerKey, KeyHash, KeyHolder};
use weir_domain::fact::QuotaFact;
use weir_domain::ids::{HoldId, ReservationId, SliceId};
use weir_domain::ledger::{Change, Drawn, Governed, Holder, Limit, Moved, Movement, Quantity, TermsChanged};
use weir_domain::org::{CommandId, Decided, Event, IntentPart, Step};
use weir_domain::policy::{
    DataClass, Deployment, Encoding, Enforcement, Environment, Exception, FailureMode, Lapse, Model, Pool,
    Priority, Purpose, Service, Team, Terms, Thresholds, Waiver,
};
use weir_domain::price::{Currency, PicoPerToken, Price};
use weir_domain::time::{Timestamp, Window};

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_763_700_000 + secs)
}

fn window() -> Window {
    Window::try_new(at(10), at(20)).unwrap()
}

fn by() -> Authorship {
    Authorship { author: "ada".into(), reason: "launch".into(), at: at(0), commit: Some("c0ffee".into()) }
}

fn governed(what: TermsChanged) -> QuotaFact {
    QuotaFact::Governed { pool: id("gpt-4o"), event: Governed { by: by(), what } }
}

fn movements() -> Vec<Movement> {
    let slice = SliceId::new(0x19a_a5d0_0000_0001);
    let hold = HoldId::try_pack(slice, 7, Tokens::new(100)).unwrap();
    let quantity = |tokens, money| Quantity { tokens: Tokens::new(tokens), money: Money::new(money) };
    let theirs = SliceId::new(slice.as_u64() + 1);
    let holder = Holder {
        node: id("gateway-1"),
        reservation: ReservationId::new(0x17),
        hand_out_until: window().end(),
    };
    let drawn = |slice, holder, borrowed, unenforced| Drawn {
        slice,
        holder,
        tokens: Tokens::new(5_000),
        borrowed: Level::from_tokens(Tokens::new(borrowed)),
        unenforced: Level::from_tokens(Tokens::new(unenforced)),
        money: Money::new(12_500),
    };
    let moved = [
        (0, "chat", Moved::BudgetOpened { budget: id("month"), period: window() }),
        (0, "chat", Moved::Drawn(drawn(slice, None, 0, 0))),
        (1, "search", Moved::Drawn(drawn(theirs, Some(holder), 70, 3))),
        (1, "chat", Moved::Settled { hold, held: Money::new(400), used: quantity(120, 300), metered: true }),
        (1, "chat", Moved::Settled { hold, held: Money::ZERO, used: quantity(7, 0), metered: false }),
        (2, "chat", Moved::ThresholdReached { budget: id("month"), percent: 80 }),
        (2, "chat", Moved::Sealed { slice, free: quantity(40, 100), holds: 3 }),
        (3, "search", Moved::Lapsed { slice: theirs }),
        (
            4,
            "chat",
            Moved::Shadowed { limit: Limit::Ceiling, requests: Requests::new(2), tokens: Tokens::new(90) },
        ),
    ];
    let movement = |(after, service, what)| Movement { at: at(after), service: id(service), what };
    moved.into_iter().map(movement).collect()
}

fn pool() -> Pool {
    Pool {
        id: id("gpt-4o"),
        capacity: TokensPerMinute::new(60_000),
        requests: Some(RequestsPerMinute::new(600)),
        thresholds: Thresholds { critical_percent: 1, standard_percent: 25, batch_percent: 60 },
        models: vec![Model {
            name: id("gpt-4o"),
            encoding: Encoding::O200kBase,
            output_max: Tokens::new(16_384),
        }],
        deployments: vec![Deployment { upstream: id("azure"), id: id("gpt-4o-eu"), model: id("gpt-4o") }],
    }
}

fn budget(name: &str, limit: BudgetLimit, kind: BudgetKind) -> Budget {
    let zone = Zone::try_new("Europe/Berlin").unwrap();
    Budget { id: id(name), limit, period: Period::Month, zone, kind, thresholds: vec![50, 80, 100] }
}

fn terms() -> Terms {
    let euros = BudgetLimit::Money(Money::new(1_500_000_000), Currency::try_new("EUR").unwrap());
    Terms {
        ceiling: TokensPerMinute::new(12_000),
        lending: Some(TokensPerMinute::new(3_000)),
        requests: Some(RequestsPerMinute::new(60)),
        in_flight_max: Some(8),
        priority: Priority::Batch,
        failure: FailureMode::Open { tokens_per_outage: Tokens::new(20_000) },
        enforcement: Enforcement::Shadow,
        budgets: vec![
            budget("month", BudgetLimit::Tokens(Tokens::new(9_000_000)), BudgetKind::Hard),
            budget("money", euros, BudgetKind::Soft),
        ],
        lapse: Some(Lapse { at: at(30), to: TokensPerMinute::new(500) }),
        ..Terms::guarantee(TokensPerMinute::new(6_000), Tokens::new(4_000))
    }
}

fn burst() -> Burst {
    Burst {
        id: id("launch"),
        service: id("chat"),
        pool: id("gpt-4o"),
        extra: TokensPerMinute::new(1_000),
        window: window(),
        category: Category::Demo,
        reason: "fair".into(),
        requester: "ada".into(),
    }
}

pub(in crate::codec) fn of_pools() -> Vec<QuotaFact> {
    let granted = GrantedBurst { burst: burst(), approval: Approval::BestEffort, approver: "grace".into() };
    let plain = Terms::guarantee(TokensPerMinute::new(6_000), Tokens::new(4_000));
    vec![
        QuotaFact::Moved { pool: id("gpt-4o"), movements: movements() },
        QuotaFact::Resumed { pool: Some(id("gpt-4o")), at: at(3) },
        QuotaFact::Resumed { pool: None, at: at(3) },
        governed(TermsChanged::PoolDefined(pool())),
        governed(TermsChanged::PoolRemoved),
        governed(TermsChanged::AllocationSet { service: id("chat"), terms: terms() }),
        governed(TermsChanged::AllocationSet { service: id("chat"), terms: plain }),
        governed(TermsChanged::AllocationRemoved { service: id("chat") }),
        governed(TermsChanged::BurstGranted(granted)),
        governed(TermsChanged::BurstRequested(burst())),
        governed(TermsChanged::BurstApproved { burst: id("launch"), approval: Approval::Guaranteed }),
        governed(TermsChanged::BurstApproved { burst: id("launch"), approval: Approval::BestEffort }),
        governed(TermsChanged::BurstDenied { burst: id("launch") }),
        governed(TermsChanged::BurstRevoked { burst: id("launch") }),
        governed(TermsChanged::BurstExtended { burst: id("launch"), end: at(40) }),
        governed(TermsChanged::DebtForgiven { service: id("chat"), version: 7, tokens: Tokens::new(900) }),
    ]
}

fn service() -> Service {
    let purpose = Purpose {
        owner: "Ada".into(),
        contact: "ada@example.org".into(),
        use_case: "support".into(),
        population: "40 agents".into(),
        when_throttled: "waits".into(),
        metric: "tickets".into(),
    };
    Service {
        id: id("chat"),
        team: id("web"),
        purpose,
        environment: Environment::Staging,
        data_class: DataClass::Restricted,
        regions: vec!["westeurope".into()],
        priority: Priority::Critical,
        allocations: vec![],
    }
}

fn price() -> Price {
    Price {
        model: id("gpt-4o"),
        valid_from: at(0),
        currency: Currency::try_new("USD").unwrap(),
        input: PicoPerToken::new(2_500_000),
        input_cached: PicoPerToken::new(1_250_000),
        output: PicoPerToken::new(10_000_000),
    }
}

fn caller_key() -> CallerKey {
    CallerKey {
        id: id("chat-1"),
        hash: KeyHash::new([7; 32]),
        service: id("chat"),
        holder: KeyHolder::Human { name: "Ada".into() },
        expires: Some(at(60)),
        models: vec![id("gpt-4o")],
    }
}

fn exception(name: &str, waives: Waiver) -> Exception {
    let (owner, reason) = ("Ada".into(), "trial".into());
    Exception { id: id(name), service: id("chat"), waives, owner, reason, end: at(90) }
}

pub(in crate::codec) fn of_the_organisation() -> Vec<QuotaFact> {
    let team = Team { id: id("web"), title: "Web".into(), contact: "#web".into() };
    let access = |name, secret, role, expires| {
        let hash = KeyHash::new([secret; 32]);
        AccessKey { id: id(name), hash, role, expires }
    };
    let steps = vec![
        Step::Pool(id("gpt-4o"), Change::RemoveAllocation { service: id("chat") }),
        Step::Org(Decided::TeamRemoved(id("web"))),
    ];
    let facts = [
        Decided::TeamDefined(team),
        Decided::TeamRemoved(id("web")),
        Decided::ServiceDefined(service()),
        Decided::ServiceRemoved(id("chat")),
        Decided::PriceSet(price()),
        Decided::PriceRemoved { model: id("gpt-4o"), valid_from: at(0) },
        Decided::CallerKeyCreated(caller_key()),
        Decided::CallerKeyRevoked(id("chat-1")),
        Decided::CallerKeyExpirySet { key: id("chat-1"), expires: at(70) },
        Decided::AccessKeyCreated(access("grace", 9, Role::Approver, None)),
        Decided::AccessKeyCreated(access("ada", 8, Role::Lead(id("web")), Some(at(80)))),
        Decided::AccessKeyRevoked(id("ada")),
        Decided::ExceptionGranted(exception("trial", Waiver::SandboxLimit)),
        Decided::ExceptionGranted(exception("audit", Waiver::Other("a yearly audit".into()))),
        Decided::ExceptionEnded(id("trial")),
        Decided::CommandMade(CommandId { name: "4711".into(), digest: [7; 32] }),
        Decided::ChangeIntended(IntentPart { part: 0, last: true, steps: steps.clone() }),
        Decided::ChangeEnded { refused: None },
        Decided::ChangeEnded { refused: Some("pool gpt-4o: the pool is not defined".into()) },
        Decided::ChangeIntended(IntentPart { part: 0, last: false, steps }),
    ];
    facts.map(|what| QuotaFact::Org(Event { by: by(), what })).into()
}
