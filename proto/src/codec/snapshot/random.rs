//! Random organisations and ledgers as plain data, within what a snapshot may say.

use super::super::samples;
use super::*;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use weir_domain::amount::TokensPerMinute;
use weir_domain::authorship::Authorship;
use weir_domain::bucket::{Level, Plan, Segment};
use weir_domain::burst::{Approval, Burst};
use weir_domain::ids::{BurstId, ServiceId, SliceId};
use weir_domain::ledger::levels::{self, LevelsImage, Place};
use weir_domain::ledger::{
    AccountImage, Change, Governed, PoolTerms, Quantity, SliceImage, SliceState, TermsChanged, Totals,
};
use weir_domain::org::{CommandId, Decided, Intent, Step};
use weir_domain::time::Timestamp;

const SERVICES: [&str; 3] = ["chat", "search", "batch"];

fn by() -> impl Strategy<Value = Authorship> {
    (samples::text(), samples::text(), samples::instant()).prop_map(|(author, reason, at)| Authorship {
        author,
        reason,
        at,
        commit: None,
    })
}

fn service() -> impl Strategy<Value = ServiceId> {
    select(&SERVICES[..]).prop_map(|name| name.parse().unwrap())
}

fn burst_id() -> impl Strategy<Value = BurstId> {
    select(vec!["one", "two"]).prop_map(|name| name.parse().unwrap())
}

/// Whatever can be decided about a pool, whether it makes sense or not.
fn changed() -> impl Strategy<Value = TermsChanged> {
    let granted = (samples::granted_burst(), burst_id(), service()).prop_map(|(mut granted, id, service)| {
        (granted.burst.id, granted.burst.service) = (id, service);
        granted
    });
    let requested = (samples::burst(), burst_id(), service()).prop_map(|(burst, id, service)| Burst {
        id,
        service,
        ..burst
    });
    prop_oneof![
        2 => samples::pool().prop_map(TermsChanged::PoolDefined),
        1 => Just(TermsChanged::PoolRemoved),
        4 => (service(), samples::terms())
            .prop_map(|(service, terms)| TermsChanged::AllocationSet { service, terms }),
        1 => service().prop_map(|service| TermsChanged::AllocationRemoved { service }),
        3 => granted.prop_map(TermsChanged::BurstGranted),
        3 => requested.prop_map(TermsChanged::BurstRequested),
        2 => burst_id()
            .prop_map(|burst| TermsChanged::BurstApproved { burst, approval: Approval::BestEffort }),
        2 => burst_id().prop_map(|burst| TermsChanged::BurstDenied { burst }),
        2 => burst_id().prop_map(|burst| TermsChanged::BurstRevoked { burst }),
    ]
}

fn terms() -> impl Strategy<Value = PoolTerms> {
    vec((by(), changed()), 0..12).prop_map(|decisions| {
        let mut terms = PoolTerms::default();
        for (by, what) in decisions {
            terms.evolve(&Governed { by, what });
        }
        terms
    })
}

fn level() -> impl Strategy<Value = Level> {
    any::<i128>().prop_map(Level::from_units)
}

fn rate() -> impl Strategy<Value = TokensPerMinute> {
    any::<u64>().prop_map(TokensPerMinute::new)
}

fn plan() -> impl Strategy<Value = Plan> {
    let later = btree_map(any::<i64>(), (rate(), level()), 0..3);
    (rate(), level(), later).prop_map(|(rate, depth, later)| {
        let segment = |(from, (rate, depth))| Segment { from: Timestamp::from_nanos(from), rate, depth };
        Plan::flat(rate, depth).followed_by(later.into_iter().map(segment))
    })
}

fn quantity() -> impl Strategy<Value = Quantity> {
    (samples::tokens(), samples::money()).prop_map(|(tokens, money)| Quantity { tokens, money })
}

fn account() -> impl Strategy<Value = (levels::GuaranteeImage, AccountImage)> {
    let guarantee = (level(), plan(), of(rate())).prop_map(|(level, plan, lending)| levels::GuaranteeImage {
        level,
        plan,
        lending,
    });
    let totals = vec(samples::tokens(), 7).prop_map(|totals| Totals {
        drawn: totals[0],
        overdrawn: totals[1],
        settled: totals[2],
        outstanding: totals[3],
        returned: totals[4],
        lapsed: totals[5],
        forgiven: totals[6],
    });
    let borrow = (level(), samples::instant(), plan());
    let unborrowed = (level(), samples::instant());
    let counts = (vec(samples::budget_state(), 0..3), quantity(), any::<u64>());
    let account = (borrow, unborrowed, counts, totals).prop_map(|(borrow, unborrowed, counts, totals)| {
        let ((borrow_level, borrow_at, borrow_plan), (unborrowed_level, unborrowed_at)) =
            (borrow, unborrowed);
        let (budgets, outstanding, lapses) = counts;
        AccountImage {
            service: "named-later".parse().unwrap(),
            borrow_level,
            borrow_at,
            borrow_plan,
            unborrowed_level,
            unborrowed_at,
            budgets,
            outstanding,
            lapses,
            totals,
        }
    });
    (guarantee, account)
}

fn slice() -> impl Strategy<Value = SliceImage> {
    let state = prop_oneof![
        Just(SliceState::Open),
        any::<u32>().prop_map(|holds| SliceState::Sealed { holds }),
        Just(SliceState::Lapsed),
    ];
    let holder = of(samples::holder());
    let place = (0..2_u32).prop_map(Place::new);
    let settled = (vec(any::<u64>(), 0..4), any::<u64>());
    (any::<u64>(), place, holder, state, quantity(), (level(), level()), settled).prop_map(
        |(id, place, holder, state, outstanding, (borrowed, unenforced), (settled, lapse_number))| {
            SliceImage {
                id: SliceId::new(id),
                place,
                holder,
                state,
                outstanding,
                borrowed,
                unenforced,
                settled,
                lapse_number,
            }
        },
    )
}

pub(super) fn ledger() -> impl Strategy<Value = LedgerImage> {
    let levels = (samples::instant(), rate(), level(), level());
    let accounts = vec(account(), 2..=SERVICES.len());
    let ids = (of(any::<u64>()), of(any::<u64>()));
    (terms(), any::<bool>(), levels, accounts, vec(slice(), 0..5), ids).prop_map(
        |(terms, opened, (at, pool_rate, pool_depth, pool), accounts, slices, (last, forgotten))| {
            let (guarantees, mut accounts): (Vec<_>, Vec<AccountImage>) = accounts.into_iter().unzip();
            for (account, name) in accounts.iter_mut().zip(SERVICES) {
                account.service = name.parse().unwrap();
            }
            let levels = LevelsImage { at, pool_rate, pool_depth, pool, accounts: guarantees };
            let (last_slice, forgotten) = (last.map(SliceId::new), forgotten.map(SliceId::new));
            LedgerImage { terms, opened, levels, accounts, slices, last_slice, forgotten }
        },
    )
}

fn intent() -> impl Strategy<Value = Intent> {
    let steps = vec(
        prop_oneof![
            (samples::name(), samples::name())
                .prop_map(|(pool, service)| Step::Pool(pool, Change::RemoveAllocation { service })),
            samples::service().prop_map(|service| Step::Org(Decided::ServiceDefined(service))),
        ],
        0..3,
    );
    (samples::text(), samples::instant(), steps, any::<u32>(), any::<bool>(), 0..9_usize).prop_map(
        |(author, at, steps, parts, whole, made)| {
            let by = Authorship { author, reason: "why".into(), at, commit: None };
            Intent { by, steps, parts, whole, made }
        },
    )
}

pub(super) fn org() -> impl Strategy<Value = OrgImage> {
    let revoked_keys = vec((samples::name(), samples::hash()), 0..3);
    let revoked_access_keys = vec((samples::name(), samples::hash()), 0..3);
    let named = (vec(samples::team(), 0..3), vec(samples::service(), 0..3), vec(samples::price(), 0..3));
    let exceptions = (vec(samples::exception(), 0..3), vec(samples::name(), 0..3));
    (
        any::<u64>(),
        named,
        vec((samples::name(), terms()), 0..3),
        exceptions,
        revoked_keys,
        (revoked_access_keys, of(intent())),
        (commands(), commands()),
    )
        .prop_map(
            |(
                version,
                (teams, services, prices),
                pools,
                (exceptions, ended),
                revoked,
                (access_revoked, intent),
                (commands, idle_commands),
            )| {
                OrgImage {
                    version,
                    teams,
                    services,
                    pools,
                    prices,
                    exceptions,
                    ended,
                    revoked,
                    access_revoked,
                    intent,
                    commands,
                    idle_commands,
                    ..OrgImage::default()
                }
            },
        )
}

fn commands() -> impl Strategy<Value = Vec<(Timestamp, CommandId)>> {
    let command = ("[a-z]{1,8}", any::<[u8; 32]>()).prop_map(|(name, digest)| CommandId { name, digest });
    vec((samples::instant(), command), 0..3)
}
