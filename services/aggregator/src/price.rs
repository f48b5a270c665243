//! Prices as the tables keep them: what was decided about a model's price from an instant on, and when.
//!
//! Reads the few facts of the quota topic that concern prices. The rest of that topic, and whether it can be read at
//! all, is the quota service's business.

use weir_domain::fact::QuotaFact;
use weir_domain::ids::ModelName;
use weir_domain::org::{Decided, Event};
use weir_domain::price::Price;
use weir_domain::time::Timestamp;
use weir_proto::codec::{DecodeError, quota_event_from_record, quota_kinds};
use weir_proto::record::Record;

/// What was decided about a model's price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PriceDecision {
    pub(crate) model: ModelName,
    pub(crate) valid_from: Timestamp,
    /// None: the price that began at that instant never was.
    pub(crate) price: Option<Price>,
    /// Of several decisions about the same model and instant the last one counts.
    pub(crate) decided_at: Timestamp,
}

/// The decision that a record of the quota topic tells of, if it is one about a price.
pub(crate) fn price_from_record(record: &Record) -> Result<Option<PriceDecision>, DecodeError> {
    if !concerns_price(record) {
        return Ok(None);
    }
    match quota_event_from_record(record)?.fact {
        QuotaFact::Org(event) => Ok(decision(event)),
        _ => Ok(None),
    }
}

fn concerns_price(record: &Record) -> bool {
    let kind = record.headers.iter().find(|(name, _)| name == "ce_type").map(|(_, kind)| kind.as_ref());
    [quota_kinds::PRICE_SET_V1, quota_kinds::PRICE_REMOVED_V1]
        .iter()
        .any(|price| kind == Some(price.as_bytes()))
}

fn decision(event: Event) -> Option<PriceDecision> {
    let decided_at = event.by.at;
    match event.what {
        Decided::PriceSet(price) => Some(PriceDecision {
            model: price.model.clone(),
            valid_from: price.valid_from,
            price: Some(price),
            decided_at,
        }),
        Decided::PriceRemoved { model, valid_from } => {
            Some(PriceDecision { model, valid_from, price: None, decided_at })
        }
        _ => None,
    }
}
