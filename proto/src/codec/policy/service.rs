//! Teams and services.

use super::DecodeError;
use super::allocation::{allocation_from_wire, allocation_to_wire, priority_from_wire, priority_to_wire};
use super::values::{known, parsed};
use crate::governance::v1 as wire;
use weir_domain::policy::{Allocation, DataClass, Environment, Priority, Purpose, Service, Team};

/// A team for the wire.
pub fn team_to_wire(team: &Team) -> wire::Team {
    wire::Team { id: team.id.to_string(), title: team.title.clone(), contact: team.contact.clone() }
}

/// A team from the wire.
pub fn team_from_wire(wire: &wire::Team) -> Result<Team, DecodeError> {
    Ok(Team { id: parsed(&wire.id, "teams.id")?, title: wire.title.clone(), contact: wire.contact.clone() })
}

/// A service for the wire. Its priority is that of its allocations, which do not repeat it.
pub fn service_to_wire(service: &Service) -> wire::Service {
    let allocation = |held: &Allocation| wire::Allocation {
        priority: wire::Priority::Unspecified.into(),
        ..allocation_to_wire(&held.pool, &held.terms)
    };
    let purpose = service.purpose.clone();
    wire::Service {
        id: service.id.to_string(),
        team: service.team.to_string(),
        owner: purpose.owner,
        use_case: purpose.use_case,
        when_throttled: purpose.when_throttled,
        allocations: service.allocations.iter().map(allocation).collect(),
        contact: purpose.contact,
        population: purpose.population,
        metric: purpose.metric,
        environment: environment_to_wire(service.environment).into(),
        data_class: data_class_to_wire(service.data_class).into(),
        regions: service.regions.clone(),
        priority: priority_to_wire(service.priority).into(),
    }
}

/// A service from the wire. Its allocations have its priority.
pub fn service_from_wire(wire: &wire::Service) -> Result<Service, DecodeError> {
    let priority = priority_from_wire(wire.priority, "services.priority")?;
    let allocation = |held| allocation_of_service(held, priority);
    Ok(Service {
        id: parsed(&wire.id, "services.id")?,
        team: parsed(&wire.team, "services.team")?,
        purpose: purpose_from_wire(wire),
        environment: environment_from_wire(wire.environment)?,
        data_class: data_class_from_wire(wire.data_class)?,
        regions: wire.regions.clone(),
        priority,
        allocations: wire.allocations.iter().map(allocation).collect::<Result<_, _>>()?,
    })
}

fn allocation_of_service(wire: &wire::Allocation, priority: Priority) -> Result<Allocation, DecodeError> {
    let mut held = allocation_from_wire(wire)?;
    let stated = wire.priority() != wire::Priority::Unspecified;
    if stated && held.terms.priority != priority {
        return Err(DecodeError::field("allocations.priority", "is not its service's; leave it out"));
    }
    held.terms.priority = priority;
    Ok(held)
}

fn purpose_from_wire(wire: &wire::Service) -> Purpose {
    Purpose {
        owner: wire.owner.clone(),
        contact: wire.contact.clone(),
        use_case: wire.use_case.clone(),
        population: wire.population.clone(),
        when_throttled: wire.when_throttled.clone(),
        metric: wire.metric.clone(),
    }
}

fn environment_to_wire(environment: Environment) -> wire::Environment {
    match environment {
        Environment::Production => wire::Environment::Production,
        Environment::Staging => wire::Environment::Staging,
        Environment::Development => wire::Environment::Development,
    }
}

fn environment_from_wire(number: i32) -> Result<Environment, DecodeError> {
    Ok(match known(number, "services.environment")? {
        wire::Environment::Unspecified => Environment::default(),
        wire::Environment::Production => Environment::Production,
        wire::Environment::Staging => Environment::Staging,
        wire::Environment::Development => Environment::Development,
    })
}

fn data_class_to_wire(class: DataClass) -> wire::DataClass {
    match class {
        DataClass::Public => wire::DataClass::Public,
        DataClass::Internal => wire::DataClass::Internal,
        DataClass::Confidential => wire::DataClass::Confidential,
        DataClass::Restricted => wire::DataClass::Restricted,
    }
}

fn data_class_from_wire(number: i32) -> Result<DataClass, DecodeError> {
    Ok(match known(number, "services.data_class")? {
        wire::DataClass::Unspecified => DataClass::default(),
        wire::DataClass::Public => DataClass::Public,
        wire::DataClass::Internal => DataClass::Internal,
        wire::DataClass::Confidential => DataClass::Confidential,
        wire::DataClass::Restricted => DataClass::Restricted,
    })
}
