//! The directory and caller keys ⇄ their messages.

use super::DecodeError;
use super::policy::{failure_from_wire, failure_to_wire, pool_from_wire, pool_to_wire};
use super::values::{all_parsed, hash_from_wire, parsed, timestamp_from_wire, timestamp_to_wire};
use crate::governance::v1 as wire;
use prost::Message;
use weir_domain::directory::{CallerKey, Directory, KeyHolder, PoolEntry, ServiceEntry};

/// A directory for the wire.
pub fn directory_to_wire(directory: &Directory) -> wire::Directory {
    wire::Directory {
        version: directory.version,
        pools: directory.pools.iter().map(pool_to_wire).collect(),
        services: directory.services.iter().map(service_entry_to_wire).collect(),
        keys: directory.keys.iter().map(caller_key_to_wire).collect(),
    }
}

/// A directory from the wire.
pub fn directory_from_wire(wire: &wire::Directory) -> Result<Directory, DecodeError> {
    Ok(Directory {
        version: wire.version,
        pools: wire.pools.iter().map(pool_from_wire).collect::<Result<_, _>>()?,
        services: wire.services.iter().map(service_entry_from_wire).collect::<Result<_, _>>()?,
        keys: wire.keys.iter().map(caller_key_from_wire).collect::<Result<_, _>>()?,
    })
}

/// A directory as the file of a gateway keeps it.
pub fn directory_to_bytes(directory: &Directory) -> Vec<u8> {
    directory_to_wire(directory).encode_to_vec()
}

/// A directory from such a file.
pub fn directory_from_bytes(bytes: &[u8]) -> Result<Directory, DecodeError> {
    let message = wire::Directory::decode(bytes);
    let message =
        message.map_err(|source| DecodeError::Payload { message: "weir.governance.v1.Directory", source })?;
    directory_from_wire(&message)
}

fn service_entry_to_wire(entry: &ServiceEntry) -> wire::ServiceEntry {
    wire::ServiceEntry {
        id: entry.id.to_string(),
        team: entry.team.to_string(),
        pools: entry.pools.iter().map(|entry| entry.pool.to_string()).collect(),
        open_tokens_per_outage: entry.pools.iter().map(|entry| failure_to_wire(entry.failure)).collect(),
    }
}

fn service_entry_from_wire(wire: &wire::ServiceEntry) -> Result<ServiceEntry, DecodeError> {
    let (pools, open) = (&wire.pools, &wire.open_tokens_per_outage);
    if pools.len() != open.len() {
        let problem = format!("has {} numbers for {} pools; it has one for each", open.len(), pools.len());
        return Err(DecodeError::field("services.open_tokens_per_outage", problem));
    }
    let entry = |(pool, open): (&String, &u64)| {
        Ok(PoolEntry { pool: parsed(pool, "services.pools")?, failure: failure_from_wire(*open) })
    };
    Ok(ServiceEntry {
        id: parsed(&wire.id, "services.id")?,
        team: parsed(&wire.team, "services.team")?,
        pools: pools.iter().zip(open).map(entry).collect::<Result<_, DecodeError>>()?,
    })
}

/// A caller key (its hash, never the key) for the wire.
pub fn caller_key_to_wire(key: &CallerKey) -> wire::CallerKey {
    let human = match &key.holder {
        KeyHolder::Workload => String::new(),
        KeyHolder::Human { name } => name.clone(),
    };
    wire::CallerKey {
        id: key.id.to_string(),
        sha256: key.hash.as_bytes().to_vec(),
        service: key.service.to_string(),
        expires: key.expires.map(timestamp_to_wire),
        human,
        models: key.models.iter().map(ToString::to_string).collect(),
    }
}

/// A caller key from the wire.
pub fn caller_key_from_wire(wire: &wire::CallerKey) -> Result<CallerKey, DecodeError> {
    let holder = match wire.human.as_str() {
        "" => KeyHolder::Workload,
        name => KeyHolder::Human { name: name.to_owned() },
    };
    Ok(CallerKey {
        id: parsed(&wire.id, "key.id")?,
        hash: hash_from_wire(&wire.sha256, "key.sha256")?,
        service: parsed(&wire.service, "key.service")?,
        holder,
        expires: wire.expires.as_ref().map(|at| timestamp_from_wire(Some(at), "key.expires")).transpose()?,
        models: all_parsed(&wire.models, "key.models")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use proptest::collection::vec;
    use proptest::option::of;
    use proptest::prelude::*;
    use weir_domain::amount::Tokens;
    use weir_domain::policy::FailureMode;

    fn key() -> impl Strategy<Value = CallerKey> {
        let holder =
            prop_oneof![Just(KeyHolder::Workload), "\\PC{1,6}".prop_map(|name| KeyHolder::Human { name })];
        let names = (samples::name(), samples::name(), vec(samples::name(), 0..3));
        (names, samples::hash(), holder, of(samples::instant())).prop_map(
            |((id, service, models), hash, holder, expires)| CallerKey {
                id,
                hash,
                service,
                holder,
                expires,
                models,
            },
        )
    }

    fn entry() -> impl Strategy<Value = ServiceEntry> {
        let failure = prop_oneof![
            Just(FailureMode::Closed),
            (1_u64..).prop_map(|most| FailureMode::Open { tokens_per_outage: Tokens::new(most) }),
        ];
        let pool = (samples::name(), failure).prop_map(|(pool, failure)| PoolEntry { pool, failure });
        (samples::name(), samples::name(), vec(pool, 0..3)).prop_map(|(id, team, pools)| ServiceEntry {
            id,
            team,
            pools,
        })
    }

    proptest! {
        #[test]
        fn a_directory_survives_the_wire(
            version: u64,
            pools in vec(samples::pool(), 0..3),
            services in vec(entry(), 0..3),
            keys in vec(key(), 0..3),
        ) {
            let directory = Directory { version, pools, services, keys };
            prop_assert_eq!(directory_from_bytes(&directory_to_bytes(&directory)), Ok(directory.clone()));
            prop_assert_eq!(directory_from_wire(&directory_to_wire(&directory)), Ok(directory));
        }
    }

    #[test]
    fn pools_and_what_to_do_in_an_outage_come_in_pairs() {
        let entry = wire::ServiceEntry {
            id: "chat".into(),
            team: "web".into(),
            pools: vec!["gpt".into()],
            open_tokens_per_outage: vec![],
        };
        let problem = service_entry_from_wire(&entry).unwrap_err().to_string();
        assert_eq!(
            problem,
            "field services.open_tokens_per_outage is invalid: has 0 numbers for 1 pools; it has one for each"
        );
    }

    #[test]
    fn a_key_without_a_whole_hash_is_refused() {
        let mut wire = wire::CallerKey { id: "k".into(), service: "chat".into(), ..Default::default() };
        wire.sha256 = vec![1; 31];
        let problem = caller_key_from_wire(&wire).unwrap_err().to_string();
        assert_eq!(problem, "field key.sha256 is invalid: is 31 bytes long; a SHA-256 has 32");
    }
}
