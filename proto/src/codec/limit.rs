//! Limits ⇄ `weir.quota.v1.Limit`.

use crate::quota::v1 as wire;
use weir_domain::ledger::Limit;

/// A limit for the wire.
pub const fn limit_to_wire(limit: Limit) -> wire::Limit {
    match limit {
        Limit::NoAllocation => wire::Limit::NoAllocation,
        Limit::RequestSize => wire::Limit::RequestSize,
        Limit::Baseline => wire::Limit::Baseline,
        Limit::Ceiling => wire::Limit::Ceiling,
        Limit::Spare => wire::Limit::Spare,
        Limit::Budget => wire::Limit::Budget,
        Limit::Requests => wire::Limit::Requests,
        Limit::InFlight => wire::Limit::InFlight,
        Limit::Holds => wire::Limit::Holds,
        Limit::ReservationStale => wire::Limit::ReservationStale,
        Limit::ReservationOver => wire::Limit::ReservationOver,
        Limit::ReservationForgotten => wire::Limit::ReservationForgotten,
        Limit::ReservationOfAnother => wire::Limit::ReservationOfAnother,
    }
}

/// A limit from the wire; none if it is not named, or by a newer version.
pub const fn limit_from_wire(limit: wire::Limit) -> Option<Limit> {
    Some(match limit {
        wire::Limit::Unspecified => return None,
        wire::Limit::NoAllocation => Limit::NoAllocation,
        wire::Limit::RequestSize => Limit::RequestSize,
        wire::Limit::Baseline => Limit::Baseline,
        wire::Limit::Ceiling => Limit::Ceiling,
        wire::Limit::Spare => Limit::Spare,
        wire::Limit::Budget => Limit::Budget,
        wire::Limit::Requests => Limit::Requests,
        wire::Limit::InFlight => Limit::InFlight,
        wire::Limit::Holds => Limit::Holds,
        wire::Limit::ReservationStale => Limit::ReservationStale,
        wire::Limit::ReservationOver => Limit::ReservationOver,
        wire::Limit::ReservationForgotten => Limit::ReservationForgotten,
        wire::Limit::ReservationOfAnother => Limit::ReservationOfAnother,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_number_and_every_number_a_limit_of_the_same_name() {
        for limit in Limit::ALL {
            let wire = limit_to_wire(limit);
            assert_eq!(limit_from_wire(wire), Some(limit));
            assert_eq!(wire.as_str_name(), format!("LIMIT_{}", limit.as_str().to_uppercase()));
        }
        let numbers = (1..).map_while(|number| wire::Limit::try_from(number).ok());
        assert_eq!(numbers.count(), Limit::ALL.len());
        assert_eq!(limit_from_wire(wire::Limit::Unspecified), None);
    }
}
