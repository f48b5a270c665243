//! The limits that a request is held against, by name: the one list of them.

/// What can bind a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// The service has no allocation in the pool.
    NoAllocation,
    /// The largest request that the allocation may make.
    RequestSize,
    /// The guaranteed rate, where nothing may be borrowed.
    Baseline,
    /// The guarantee, and what the allocation may borrow.
    Ceiling,
    /// The guarantee, and what others leave to borrow.
    Spare,
    /// A budget.
    Budget,
    /// Requests a minute.
    Requests,
    /// Requests under way at once.
    InFlight,
    /// Holds that are outstanding in the pool.
    Holds,
    /// How long ago a reservation's id may have been minted.
    ReservationStale,
    /// One call a reservation: what it held was settled or given back.
    ReservationOver,
    /// How many reservations a pool remembers.
    ReservationForgotten,
    /// One service and one size a reservation.
    ReservationOfAnother,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::NoAllocation,
        Self::RequestSize,
        Self::Baseline,
        Self::Ceiling,
        Self::Spare,
        Self::Budget,
        Self::Requests,
        Self::InFlight,
        Self::Holds,
        Self::ReservationStale,
        Self::ReservationOver,
        Self::ReservationForgotten,
        Self::ReservationOfAnother,
    ];

    /// Its name in metrics, events and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAllocation => "no_allocation",
            Self::RequestSize => "request_size",
            Self::Baseline => "baseline",
            Self::Ceiling => "ceiling",
            Self::Spare => "spare",
            Self::Budget => "budget",
            Self::Requests => "requests",
            Self::InFlight => "in_flight",
            Self::Holds => "holds",
            Self::ReservationStale => "reservation_stale",
            Self::ReservationOver => "reservation_over",
            Self::ReservationForgotten => "reservation_forgotten",
            Self::ReservationOfAnother => "reservation_of_another",
        }
    }

    /// The limit of a name; none if no limit has it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_found_by_its_own_name_and_no_other() {
        for limit in Limit::ALL {
            assert_eq!(Limit::from_name(limit.as_str()), Some(limit));
        }
        assert_eq!(Limit::from_name("mood"), None);
    }
}
