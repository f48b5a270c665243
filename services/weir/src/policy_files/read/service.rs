//! `[[team]]` and `[[service]]`: who there is, and what for.

use weir_domain::ids::{ServiceId, TeamId};
use weir_domain::policy::{DataClass, Environment, Priority, Purpose, Service, Team};

use super::allocation::allocation;
use crate::policy_files::block::Block;
use crate::policy_files::values;

pub(super) fn team(mut block: Block<'_>) -> Option<Team> {
    let id = block.called("name", |id: &TeamId| format!("team {id}"));
    block.stands_here();
    let title = block.required("title", values::text).unwrap_or_default();
    let contact = block.text("contact");
    block.finish();
    Some(Team { id: id?, title, contact })
}

pub(super) fn service(mut block: Block<'_>) -> Option<Service> {
    let id = block.called("name", |id: &ServiceId| format!("service {id}"));
    block.stands_here();
    let team = block.reference("team");
    let purpose = purpose(&mut block);
    let environment = block.optional("environment", values::choice(Environment::ALL, Environment::as_str));
    let data_class = block.optional("data_class", values::choice(DataClass::ALL, DataClass::as_str));
    let regions = block.optional("regions", values::list(values::text));
    let priority = block.optional("priority", values::choice(Priority::ALL, Priority::as_str));
    let priority = priority.unwrap_or_default();
    let allocations = block.blocks("allocation").into_iter().map(|held| allocation(held, priority)).collect();
    block.finish();
    Some(Service {
        id: id?,
        team,
        purpose,
        environment: environment.unwrap_or_default(),
        data_class: data_class.unwrap_or_default(),
        regions: regions.unwrap_or_default(),
        priority,
        allocations,
    })
}

fn purpose(block: &mut Block<'_>) -> Purpose {
    Purpose {
        owner: block.text("owner"),
        contact: block.text("contact"),
        use_case: block.text("use_case"),
        population: block.text("population"),
        when_throttled: block.text("when_throttled"),
        metric: block.text("metric"),
    }
}
