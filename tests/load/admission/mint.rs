//! Ids of reservations, minted so cheaply that they do not count: a load generator must not be what is measured.

use weir_domain::ids::ReservationId;

/// So many ids are numbered from one that was minted properly: fresh enough for every window.
const NUMBERED: u128 = 1_024;

/// Mints ids.
#[derive(Default)]
pub(crate) struct Mint {
    first: u128,
    count: u128,
}

impl Mint {
    /// The next one.
    pub(crate) fn next(&mut self) -> ReservationId {
        if self.count.is_multiple_of(NUMBERED) {
            self.first = weir_runtime::ids::reservation_id().as_u128();
            self.count = 0;
        }
        self.count += 1;
        ReservationId::new(self.first.wrapping_add(self.count))
    }
}
