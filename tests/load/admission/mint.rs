//! Ids of reservations, minted so cheaply that they do not count: a load generator must not be what is measured.

use std::time::Duration;

use weir_domain::ids::ReservationId;
use weir_tests::load::moment::Moment;

/// So long ids are numbered from one that was minted properly: a busy pool forgets ids that are some seconds old.
const NUMBERED_FOR: Duration = Duration::from_millis(50);

/// Mints ids.
#[derive(Default)]
pub(crate) struct Mint {
    last: u128,
    until: Option<Moment>,
}

impl Mint {
    /// The next one, at a time.
    pub(crate) fn next(&mut self, now: Moment) -> ReservationId {
        if self.until.is_none_or(|until| until <= now) {
            self.last = weir_runtime::ids::reservation_id().as_u128();
            self.until = Some(now.plus(NUMBERED_FOR));
        }
        self.last = self.last.wrapping_add(1);
        ReservationId::new(self.last)
    }
}
