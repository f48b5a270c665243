//! What people write is understood, and what is wrong is told at once, each by its line.

use proptest::prelude::*;
use weir_domain::amount::{Money, RequestsPerMinute, Tokens, TokensPerMinute};
use weir_domain::budget::{BudgetKind, BudgetLimit};
use weir_domain::burst::{Approval, Category};
use weir_domain::calendar::{Period, Zone};
use weir_domain::policy::{DataClass, Enforcement, Environment, FailureMode, Priority, Terms, Waiver};

use super::*;

fn source(text: &str) -> Source {
    Source { path: "policy.toml".into(), text: text.to_owned() }
}

fn read(text: &str) -> Result<Policy, Vec<Finding>> {
    match from_sources(&[source(text)]).and_then(PolicyFiles::sound) {
        Ok(files) => Ok(files.policy),
        Err(PolicyError::Findings(findings)) => Err(findings),
        Err(other) => panic!("{other}"),
    }
}

/// The lines of what is wrong, and all that is said about it.
fn wrong(text: &str) -> (Vec<usize>, String) {
    let findings = read(text).unwrap_err();
    let lines = findings.iter().map(|finding| finding.spot.as_ref().map_or(0, |spot| spot.line)).collect();
    let said: Vec<_> = findings.iter().map(ToString::to_string).collect();
    (lines, said.join("\n") + "\n")
}

const POOL: &str =
    "[[pool]]\nname = \"gpt\"\ntokens_per_minute = 100_000\n[[team]]\nname = \"a\"\ntitle = \"A\"\n";

fn with_pool(rest: &str) -> String {
    format!("{POOL}{rest}")
}

#[test]
fn an_allocation_may_say_all_there_is_to_say() {
    let text = with_pool(
        r#"[[service]]
        name = "chat"
        team = "a"
        owner = "Ada"
        use_case = "Answers"
        environment = "staging"
        data_class = "restricted"
        regions = ["westeurope", "swedencentral"]
        priority = "batch"
        allocation = [{ pool = "gpt", baseline = 1_000, ceiling = 5_000, lending = 500, request_max = 100,
            requests_per_minute = 60, in_flight_max = 4, when_quota_is_away = { admit_tokens = 50_000 }, shadow = true,
            budget = [
                { name = "month", money = "250.00", currency = "USD", per = "month", zone = "Europe/Berlin", kind = "soft",
                  thresholds = [100, 120] },
                { name = "day", tokens = 1_000_000, per = "day", thresholds = [90] },
            ] }]"#,
    );
    let policy = read(&text).unwrap();
    let service = &policy.services[0];
    assert_eq!((service.environment, service.data_class), (Environment::Staging, DataClass::Restricted));
    assert_eq!(service.regions, ["westeurope", "swedencentral"]);
    let terms = &service.allocations[0].terms;
    let rate = TokensPerMinute::new;
    assert_eq!((terms.baseline, terms.ceiling, terms.lending), (rate(1_000), rate(5_000), Some(rate(500))));
    assert_eq!((terms.requests, terms.in_flight_max), (Some(RequestsPerMinute::new(60)), Some(4)));
    assert_eq!((terms.priority, terms.enforcement), (Priority::Batch, Enforcement::Shadow));
    assert_eq!(terms.failure, FailureMode::Open { tokens_per_outage: Tokens::new(50_000) });
    let [month, day] = &terms.budgets[..] else { panic!("two budgets: {:?}", terms.budgets) };
    assert!(matches!(month.limit, BudgetLimit::Money(sum, _) if sum == Money::new(250_000_000_000)));
    assert_eq!(
        (month.period, month.zone.as_str(), month.kind),
        (Period::Month, "Europe/Berlin", BudgetKind::Soft)
    );
    assert_eq!(month.thresholds, [100, 120]);
    assert_eq!((day.zone, day.kind, &day.thresholds[..]), (Zone::UTC, BudgetKind::Hard, &[90][..]));
}

#[test]
fn an_allocation_may_be_blocks_and_say_little() {
    let text = with_pool(
        "[[service]]\nname = \"chat\"\nteam = \"a\"\n[[service.allocation]]\npool = \"gpt\"\nbaseline = 1_000\n\
         request_max = 100\nwhen_quota_is_away = \"refuse\"\n[[service.allocation.budget]]\nname = \"day\"\ntokens = 5\n\
         per = \"day\"\n",
    );
    let terms = &read(&text).unwrap().services[0].allocations[0].terms;
    let plain = Terms::guarantee(TokensPerMinute::new(1_000), Tokens::new(100));
    assert_eq!(Terms { budgets: Vec::new(), ..terms.clone() }, plain);
    assert_eq!(terms.budgets.len(), 1);
}

#[test]
fn bursts_and_exceptions_are_read() {
    let text = with_pool(
        "[[service]]\nname = \"chat\"\nteam = \"a\"\nallocation = [{ pool = \"gpt\", baseline = 1, request_max = 1 }]\n\
         [[burst]]\nname = \"launch\"\nservice = \"chat\"\npool = \"gpt\"\nextra = 10\nstart = 2026-12-01\n\
         end = 2026-12-02T08:00:00+01:00\ncategory = \"demo\"\nreason = \"r\"\napproved_by = \"Bo\"\nbest_effort = true\n\
         [[exception]]\nname = \"e\"\nservice = \"chat\"\nwaives = \"sandbox-limit\"\nowner = \"Bo\"\nreason = \"r\"\n\
         end = 2026-12-01\n[[exception]]\nname = \"f\"\nservice = \"chat\"\nwaives = \"the region rule\"\nowner = \"Bo\"\n\
         reason = \"r\"\nend = 2026-12-01\n",
    );
    let policy = read(&text).unwrap();
    let granted = &policy.bursts[0];
    assert_eq!((granted.burst.category, granted.approval), (Category::Demo, Approval::BestEffort));
    assert_eq!(granted.burst.requester, "Bo", "whoever approved it, as nobody else is named");
    assert_eq!(policy.exceptions[0].waives, Waiver::SandboxLimit);
    assert_eq!(policy.exceptions[1].waives, Waiver::Other("the region rule".to_owned()));
}

#[test]
fn every_wrong_field_of_every_block_is_told_by_its_line() {
    let (lines, said) = wrong(
        "[[pool]]\nname = \"gpt\"\ntokens_per_minute = \"many\"\nmodel = [{ name = \"m\", encoding = \"p50k\" }]\n\
         [[team]]\nname = \"a\"\ntitel = \"A\"\n[[service]]\nname = \"chat\"\nteam = \"a\"\npriority = \"high\"\n\
         [[service.allocation]]\npool = \"gpt\"\nbaseline = 1.5\nrequest_max = 0\n[[teem]]\nname = \"b\"\n",
    );
    assert_eq!(lines, [3, 4, 5, 7, 11, 14, 16], "{said}");
    for part in [
        "policy.toml:3: pool gpt: tokens_per_minute is a string; write a whole number, such as 60_000\n",
        "policy.toml:4: pool gpt, model m: encoding is \"p50k\"; write one of \"o200k_base\", \"cl100k_base\"\n",
        "policy.toml:5: team a: title is missing; state it\n",
        "policy.toml:7: team a: titel is no field; there are name, title, contact\n",
        "priority is \"high\"; write one of \"critical\", \"standard\", \"batch\"\n",
        "policy.toml:14: service chat, allocation in pool gpt: baseline is a float",
        "policy.toml:16: teem: is no kind of block; there are [[pool]], [[team]],",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
}

#[test]
fn a_line_that_is_no_toml_hides_nothing_after_it() {
    let (lines, said) = wrong(&with_pool(
        "[[service]]\nname = \"chat\"\nteam = \"b\"\nowner = \n[[service.allocation]]\npool = \"gpt\"\nbaseline = 1 000\n\
         request_max = \"x\"\n[[pool]]\nname = \"gpt\"\ntokens_per_minute = 1\n",
    ));
    assert_eq!(lines, [7, 10, 13, 14, 15], "{said}");
    assert!(said.contains("pool gpt: is defined twice"), "{said}");
}

#[test]
fn what_does_not_hold_together_is_told_by_its_line() {
    let (lines, said) = wrong(&with_pool(
        "[[service]]\nname = \"chat\"\nteam = \"b\"\n[[service.allocation]]\npool = \"gpt\"\nbaseline = 10\nceiling = 5\n\
         request_max = 1\n[[service.allocation.budget]]\nname = \"day\"\ntokens = 0\nper = \"day\"\n",
    ));
    assert_eq!(lines, [7, 10, 15], "{said}");
    assert!(said.contains("policy.toml:7: service chat: belongs to team b, which is not defined"), "{said}");
}

#[test]
fn a_budget_has_one_limit() {
    let with = |limit: &str| {
        with_pool(&format!(
            "[[service]]\nname = \"chat\"\nteam = \"a\"\n[[service.allocation]]\npool = \"gpt\"\nbaseline = 10\n\
             request_max = 1\nbudget = [{{ name = \"b\", per = \"day\", {limit} }}]\n"
        ))
    };
    for (limit, wanted) in [
        ("", "states no limit"),
        ("money = \"1\"", "money without its currency"),
        ("tokens = 1, money = \"1\", currency = \"USD\"", "in tokens and in money"),
        ("currency = \"USD\"", "states no limit"),
        ("money = \"1\", currency = \"dollars\"", "\"dollars\" is not a currency"),
    ] {
        let (lines, said) = wrong(&with(limit));
        assert!(lines == [14] && said.contains(wanted), "{limit}: {said}");
    }
}

#[test]
fn what_the_service_says_of_a_place_is_shown_by_its_line() {
    let text = with_pool("[[service]]\nname = \"chat\"\nteam = \"a\"\n");
    let files = from_sources(&[source(&text)]).unwrap();
    assert_eq!(files.finding("pool gpt", "is full").to_string(), "policy.toml:1: pool gpt: is full");
    assert_eq!(files.finding("service chat", "no").to_string(), "policy.toml:7: service chat: no");
}

#[test]
fn a_folder_is_read_with_the_folders_in_it_and_without_what_is_hidden() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("services")).unwrap();
    std::fs::create_dir_all(dir.path().join(".git")).unwrap();
    std::fs::write(dir.path().join("a.toml"), POOL).unwrap();
    std::fs::write(dir.path().join("services/a.toml"), "[[service]]\nname = \"chat\"\nteam = \"a\"\n")
        .unwrap();
    std::fs::write(dir.path().join(".git/b.toml"), "no policy").unwrap();
    let files = read_dir(dir.path()).unwrap();
    assert_eq!((files.policy.pools.len(), files.policy.services.len()), (1, 1));
}

#[test]
fn the_demos_policy_is_sound() {
    let text = include_str!("../demo/policy.toml")
        .replace("{burst_start}", "2026-01-01T00:00:00Z")
        .replace("{burst_end}", "2026-01-02T00:00:00Z")
        .replace("{exception_end}", "2026-01-09T00:00:00Z");
    let policy = read(&text).unwrap();
    let counts = (policy.teams.len(), policy.services.len(), policy.pools.len(), policy.bursts.len());
    assert_eq!(counts, (3, 6, 2, 1));
}

#[test]
fn the_policy_that_init_writes_is_sound() {
    assert_eq!(read(include_str!("../init/policy.toml")).unwrap().services.len(), 1);
}

#[test]
fn all_that_the_policy_of_init_shows_can_be_said() {
    let shown = include_str!("../init/policy.toml").lines().map(|line| {
        let line =
            line.strip_prefix("# ").filter(|it| it.starts_with("[[") || it.contains(" = ")).unwrap_or(line);
        if line.starts_with("Every") || line.starts_with("How much") { "" } else { line }
    });
    let policy = read(&shown.collect::<Vec<_>>().join("\n")).unwrap();
    let held = &policy.services[0].allocations[0].terms;
    assert_eq!((held.budgets.len(), held.ceiling), (1, TokensPerMinute::new(90_000)));
    assert_eq!((policy.bursts.len(), policy.exceptions.len()), (1, 1));
}

#[test]
fn an_export_is_written_only_where_no_policy_is() {
    let dir = tempfile::tempdir().unwrap();
    let policy = read(&with_pool("")).unwrap();
    let written = write_dir(&policy, dir.path()).unwrap();
    assert_eq!(written.len(), 2, "{written:?}");
    assert_eq!(read_dir(dir.path()).unwrap().policy, policy);
    assert!(write_dir(&policy, dir.path()).unwrap_err().to_string().contains("is there already"));
}

/// The order of what files say does not matter to anybody.
fn in_order(mut policy: Policy) -> Policy {
    policy.pools.sort_by(|a, b| a.id.cmp(&b.id));
    policy.services.sort_by(|a, b| (&a.team, &a.id).cmp(&(&b.team, &b.id)));
    policy
}

proptest! {
    #[test]
    fn a_policy_that_is_written_and_read_is_the_same(policy in samples::policy()) {
        let text = one_file(&policy);
        let again = from_sources(&[source(&text)]).unwrap_or_else(|problem| panic!("{problem}\n{text}"));
        prop_assert_eq!(again.policy, policy, "{}", text);
    }

    #[test]
    fn a_policy_that_is_written_to_many_files_is_the_same(policy in samples::policy()) {
        let files = write::files(&policy).into_iter();
        let sources: Vec<_> = files.map(|(path, text)| Source { path, text }).collect();
        let again = from_sources(&sources).unwrap();
        prop_assert_eq!(in_order(again.policy), in_order(policy));
    }
}
