//! Weir as one process a role, over Kafka and an engine of its own: every part can be killed alone.

use anyhow::Context;
use weir_embedded_clickhouse::Supervisor;

use crate::engine;
use crate::kafka::KafkaBroker;
use crate::process::{Process, kill};
use crate::world::World;

/// The roles, in the order in which they are started.
pub const ROLES: [&str; 4] = ["quota", "aggregator", "showback", "gateway"];

/// A running Weir in parts.
pub struct Parts {
    processes: Vec<Process>,
    engine: Supervisor,
    _broker: KafkaBroker,
}

/// Settings that make processes share their journal and tables.
fn shared_settings(broker: &KafkaBroker, engine: &Supervisor) -> String {
    format!(
        "\n[journal]\nkind = \"kafka\"\n[journal.kafka]\nbrokers = \"{}\"\n\n[clickhouse]\nurl = \"{}\"\n",
        broker.bootstrap(),
        engine.url()
    )
}

impl Parts {
    /// Starts a broker, an engine and every role, and applies the world's policy.
    pub async fn start(world: &World, broker: KafkaBroker) -> anyhow::Result<Self> {
        let engine = engine::start(world.path(".weir/clickhouse")).await?;
        world.append_settings(&shared_settings(&broker, &engine))?;
        std::fs::write(world.path(".weir/admin.token"), "token-of-this-test")?;
        let mut parts = Self { processes: Vec::new(), engine, _broker: broker };
        for role in 0..ROLES.len() {
            parts.processes.push(launch(world, role)?);
        }
        world.ready(world.ports.telemetry[0]).await.with_context(|| parts.processes[0].log())?;
        world.expect(&["apply", "-f", "policy"])?;
        parts.ready(world).await?;
        Ok(parts)
    }

    /// Waits until every role is ready.
    pub async fn ready(&self, world: &World) -> anyhow::Result<()> {
        for (role, process) in self.processes.iter().enumerate() {
            let ready = world.ready(world.ports.telemetry[role]).await;
            ready.with_context(|| format!("{}: {}", ROLES[role], process.log()))?;
        }
        Ok(())
    }

    /// Kills a role and starts it again, or kills the engine, which its keeper starts again.
    pub fn kill(&mut self, world: &World, part: usize) -> anyhow::Result<()> {
        match self.processes.get_mut(part) {
            Some(process) => {
                process.kill();
                *process = launch(world, part)?;
            }
            None => kill(*self.engine.pid().borrow()),
        }
        Ok(())
    }

    /// Kills a role and leaves it dead.
    pub fn stop(&mut self, role: &str) {
        let part = part_of(role);
        self.processes[part].kill();
    }

    /// Starts a role that was stopped.
    pub fn start_again(&mut self, world: &World, role: &str) -> anyhow::Result<()> {
        let part = part_of(role);
        self.processes[part] = launch(world, part)?;
        Ok(())
    }

    /// What the roles have printed, for the message of a failed test.
    pub fn logs(&self) -> String {
        let parts = ROLES.iter().zip(&self.processes);
        let parts: Vec<_> =
            parts.map(|(role, process)| format!("== {role}\n{}", process.log_tail())).collect();
        parts.join("\n")
    }
}

fn part_of(role: &str) -> usize {
    ROLES.iter().position(|name| *name == role).expect("a scenario names roles that there are")
}

/// The port for health and metrics of a role.
pub fn telemetry_port(world: &World, role: &str) -> u16 {
    world.ports.telemetry[part_of(role)]
}

fn launch(world: &World, role: usize) -> anyhow::Result<Process> {
    let listen = format!("127.0.0.1:{}", world.ports.telemetry[role]);
    let environment = vec![("WEIR__TELEMETRY__LISTEN".to_owned(), listen)];
    world.start_with(ROLES[role], &[ROLES[role]], environment)
}
