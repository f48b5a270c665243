//! Changes that are intended and end ⇄ their messages. A step is written as the fact that will come of it.

use super::super::DecodeError;
use super::{Body, by_from_wire, by_to_wire, decided, decode, fact_from_wire, governed, kinds, org};
use crate::quota::v1 as wire;
use crate::record::Record;
use bytes::Bytes;
use weir_domain::authorship::Authorship;
use weir_domain::fact::{ORG_KEY, QuotaFact};
use weir_domain::ledger::Governed;
use weir_domain::org::{Decided, Event, Intent, IntentPart, Step};
use weir_domain::time::Timestamp;

pub(super) fn part_to_wire(by: &Authorship, part: &IntentPart) -> Body {
    let steps = part.steps.iter().map(step_to_wire).collect();
    let message = wire::ChangeIntended { by: Some(by_to_wire(by)), part: part.part, last: part.last, steps };
    Body::new(kinds::CHANGE_INTENDED_V1, &ORG_KEY, &message)
}

pub(super) fn ended_to_wire(by: &Authorship, refused: Option<&str>) -> Body {
    let refused = refused.unwrap_or_default().to_owned();
    let message = wire::ChangeEnded { by: Some(by_to_wire(by)), refused };
    Body::new(kinds::CHANGE_ENDED_V1, &ORG_KEY, &message)
}

/// None if the kind says nothing about an intent.
pub(super) fn from_record(kind: &str, record: &Record) -> Result<Option<QuotaFact>, DecodeError> {
    match kind {
        kinds::CHANGE_INTENDED_V1 => {
            let wire: wire::ChangeIntended = decode(record, "weir.quota.v1.ChangeIntended")?;
            let steps = wire.steps.iter().map(step_from_wire).collect::<Result<_, _>>()?;
            let part = IntentPart { part: wire.part, last: wire.last, steps };
            decided(wire.by, Decided::ChangeIntended(part))
        }
        kinds::CHANGE_ENDED_V1 => {
            let wire: wire::ChangeEnded = decode(record, "weir.quota.v1.ChangeEnded")?;
            let refused = (!wire.refused.is_empty()).then_some(wire.refused);
            decided(wire.by, Decided::ChangeEnded { refused })
        }
        _ => Ok(None),
    }
}

/// An intent as far as it was said, for a snapshot.
pub(in crate::codec) fn intent_to_wire(intent: &Intent) -> wire::ChangeIntended {
    wire::ChangeIntended {
        by: Some(by_to_wire(&intent.by)),
        part: intent.parts,
        last: intent.whole,
        steps: intent.steps.iter().map(step_to_wire).collect(),
    }
}

pub(in crate::codec) fn intent_from_wire(
    wire: &wire::ChangeIntended,
    made: usize,
) -> Result<Intent, DecodeError> {
    Ok(Intent {
        by: by_from_wire(wire.by.clone())?,
        steps: wire.steps.iter().map(step_from_wire).collect::<Result<_, _>>()?,
        parts: wire.part,
        whole: wire.last,
        made,
    })
}

fn step_to_wire(step: &Step) -> wire::IntendedStep {
    let nobody =
        Authorship { author: String::new(), reason: String::new(), at: Timestamp::EPOCH, commit: None };
    let body = match step {
        Step::Pool(pool, change) => {
            governed::to_wire(pool, &Governed { by: nobody, what: change.clone().into() })
        }
        Step::Org(what) => org::to_wire(&Event { by: nobody, what: what.clone() }),
    };
    wire::IntendedStep { ce_type: body.kind.to_owned(), payload: body.payload.into() }
}

fn step_from_wire(wire: &wire::IntendedStep) -> Result<Step, DecodeError> {
    let none = || DecodeError::field("steps.ce_type", format!("{} is no step of a change", wire.ce_type));
    // A step is not a change of steps: what is nested has one depth.
    if [kinds::CHANGE_INTENDED_V1, kinds::CHANGE_ENDED_V1].contains(&wire.ce_type.as_str()) {
        return Err(none());
    }
    let record = Record { key: Bytes::new(), headers: Vec::new(), payload: wire.payload.clone() };
    match fact_from_wire(&wire.ce_type, &record)? {
        QuotaFact::Governed { pool, event } => Ok(Step::Pool(pool, event.what.into())),
        QuotaFact::Org(event) => Ok(Step::Org(event.what)),
        QuotaFact::Moved { .. } | QuotaFact::Resumed { .. } => Err(none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_not_a_change_of_steps_nor_what_no_change_brings() {
        for kind in [kinds::CHANGE_INTENDED_V1, kinds::CHANGE_ENDED_V1] {
            let wire = wire::IntendedStep { ce_type: kind.into(), payload: Bytes::new() };
            let expected = DecodeError::field("steps.ce_type", format!("{kind} is no step of a change"));
            assert_eq!(step_from_wire(&wire), Err(expected));
        }
    }
}
