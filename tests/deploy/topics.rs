//! `topics.sh`, run with a `kafka-topics.sh` that writes down what it is asked; a real broker then judges the settings.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use weir_proto::record::Topic;

use crate::deploy;

const WRITES_DOWN: &str = "#!/bin/sh\nprintf '%s\\n' \"$*\"\n";
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);

/// A topic as the script would make it.
pub(crate) struct Asked {
    name: String,
    partitions: i32,
    settings: Vec<(String, String)>,
}

/// Every topic is asked for, and the broker takes the settings.
pub(crate) async fn check(bootstrap: String) -> anyhow::Result<()> {
    let asked = asked_for()?;
    let names: Vec<_> = asked.iter().map(|topic| topic.name.as_str()).collect();
    ensure!(names == Topic::ALL.map(Topic::name), "topics.sh makes {names:?}");
    make(&bootstrap, &asked).await
}

/// Makes the topics as `topics.sh` would.
pub(crate) async fn make(bootstrap: &str, asked: &[Asked]) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create()?;
    let topics = asked.iter().map(|topic| {
        let new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(1));
        topic.settings.iter().fold(new, |new, (key, value)| new.set(key, value))
    });
    let topics: Vec<_> = topics.collect();
    let options = AdminOptions::new().request_timeout(Some(ADMIN_TIMEOUT));
    for made in admin.create_topics(&topics, &options).await? {
        match made {
            Ok(_) | Err((_, rdkafka::types::RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => anyhow::bail!("the broker refuses {topic}: {code}"),
        }
    }
    Ok(())
}

/// What the script asks `kafka-topics.sh` for.
pub(crate) fn asked_for() -> anyhow::Result<Vec<Asked>> {
    let dir = tempfile::tempdir()?;
    let fake = dir.path().join("kafka-topics.sh");
    std::fs::write(&fake, WRITES_DOWN)?;
    std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755))?;
    let output = Command::new("bash").arg(deploy().join("topics.sh")).arg(&fake).arg("broker:1").output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)?.lines().map(parse).collect()
}

fn parse(line: &str) -> anyhow::Result<Asked> {
    let words: Vec<_> = line.split(' ').collect();
    let after = |option: &str| {
        let at =
            words.iter().position(|word| *word == option).with_context(|| format!("{option} in {line}"))?;
        words.get(at + 1).copied().with_context(|| format!("a value of {option}"))
    };
    ensure!(words.contains(&"--if-not-exists"), "run again, it must change nothing: {line}");
    let settings = words.iter().filter_map(|word| word.strip_prefix("--config=")?.split_once('='));
    Ok(Asked {
        name: after("--topic")?.to_owned(),
        partitions: after("--partitions")?.parse()?,
        settings: settings.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    })
}
