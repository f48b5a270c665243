//! Real clients: the official OpenAI SDK for Python, through the gateway, unchanged.

use std::process::{Command, ExitCode};
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use weir_tests::process::maybe_run_as_weir;
use weir_tests::world::World;
use weir_tests::{sdk, trials};

/// What the SDK is put through; the cases are in `sdk.py`. The key of `alpha` has room, that of `tight` has not.
const CASES: [(&str, Who); 12] = [
    ("openai_chat", Who::Alpha),
    ("openai_stream", Who::Alpha),
    ("openai_stream_with_usage", Who::Alpha),
    ("openai_embeddings", Who::Alpha),
    ("azure_chat", Who::Alpha),
    ("azure_stream", Who::Alpha),
    ("azure_stream_with_usage", Who::Alpha),
    ("azure_embeddings", Who::Alpha),
    ("bad_key", Who::Alpha),
    ("unknown_model", Who::Alpha),
    ("over_quota", Who::Tight),
    ("never_fits", Who::Tight),
];

#[derive(Clone, Copy)]
enum Who {
    Alpha,
    Tight,
}

const TIGHT_SERVICE: &str = r#"
[[service]]
name = "tight"
team = "team-a"
owner = "Owner of tight"
use_case = "Is refused"
when_throttled = "The test passes"
allocation = [{ pool = "chat", baseline = 60_000, request_max = 2_000 }]
"#;

fn main() -> ExitCode {
    if let Some(code) = maybe_run_as_weir() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let trials = match sdk::python() {
        Err(missing) => CASES.iter().map(|(case, _)| trials::lacking(case, &missing.0)).collect(),
        Ok(python) => match Stage::set() {
            Ok(stage) => {
                let stage = Arc::new(stage);
                CASES.iter().map(|(case, who)| case_trial(case, *who, &python, &stage)).collect()
            }
            Err(problem) => {
                let problem = format!("{problem:?}");
                vec![Trial::test("weir_up", move || Err(Failed::from(problem)))]
            }
        },
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A running Weir and two keys.
struct Stage {
    world: World,
    _weir: weir_tests::process::Process,
    alpha: String,
    tight: String,
}

impl Stage {
    fn set() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            let world = World::begin("").await?;
            std::fs::write(world.path("policy/tight.toml"), TIGHT_SERVICE)?;
            let weir = world.start("weir", &["up"])?;
            world.ready(world.ports.telemetry[0]).await?;
            let key = |service| anyhow::Ok(world.expect(&["keys", "create", service])?.trim().to_owned());
            let (alpha, tight) = (key("alpha")?, key("tight")?);
            Ok(Self { world, _weir: weir, alpha, tight })
        })
    }
}

fn case_trial(case: &'static str, who: Who, python: &std::path::Path, stage: &Arc<Stage>) -> Trial {
    let (python, stage) = (python.to_owned(), Arc::clone(stage));
    Trial::test(format!("openai_python_sdk::{case}"), move || {
        let key = match who {
            Who::Alpha => &stage.alpha,
            Who::Tight => &stage.tight,
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/live/sdk.py");
        let gateway = format!("http://{}", stage.world.gateway());
        let output = Command::new(&python).args([script, case, &gateway, key]).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(Failed::from(String::from_utf8_lossy(&output.stderr).into_owned()))
    })
}
