//! What `deploy/` says, held against the programs it is said to: every setting exists, every role starts with them
//! against a real Kafka and ClickHouse's own engine, and Kafka takes the topics' settings. Needs no container engine.

mod compose;
mod roles;
mod topics;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::Arguments;
use weir_tests::process::maybe_run_as_weir;
use weir_tests::trials::{kafka_trial, trial};

fn main() -> ExitCode {
    if let Some(code) = maybe_run_as_weir() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let trials = vec![
        trial("compose_names_only_what_exists", || async { compose::check() }),
        trial("the_dockerfile_builds_what_the_workspace_has", || async { compose::check_dockerfile() }),
        kafka_trial("kafka_takes_the_topics_settings", topics::check),
        kafka_trial("every_role_starts_with_the_settings_of_compose", roles::check),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The folder that is checked.
fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").join("deploy")
}
