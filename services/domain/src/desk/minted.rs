//! Reservations by when their ids were minted: a table for each span of time.
//!
//! Those that come now are looked up among those of now, which stay in a processor's cache however many are remembered; and
//! what is too old is forgotten a span at once, with no look at each.

use std::collections::{BinaryHeap, VecDeque};

use crate::ids::ReservationId;
use crate::table::Table;
use crate::time::Timestamp;

/// How long a span is: 100,000 reservations a second are 1,600 in one, which is 100 KB, and half an hour has 112,500
/// spans, which are 4.5 MB.
const SPAN_MS: u64 = 16;
/// New spans have room for as many as the fullest of so many before them, and a quarter more.
const LIKE_THE_LAST: usize = 16;
/// How many tables are kept to be used again: those of a second. Memory that the machine has to find anew, and clear, costs as
/// much as what is put into it.
const SPARE_MAX: usize = 64;

/// Which span it is, counted from the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct MintSpan(u64);

/// The span that holds an instant; the first for what was before the epoch.
pub(super) fn span_of(at: Timestamp) -> MintSpan {
    MintSpan(u64::try_from(at.as_millis()).unwrap_or(0) / SPAN_MS)
}

fn minted_in(reservation: ReservationId) -> MintSpan {
    MintSpan(reservation.minted_at_ms() / SPAN_MS)
}

fn begin_of(span: MintSpan) -> Timestamp {
    Timestamp::from_millis(i64::try_from(span.0.saturating_mul(SPAN_MS)).unwrap_or(i64::MAX))
}

/// Adds the first so many that were admitted, from an id on, in any order; and the id of the one after them. A table has no
/// order: this goes through all of it, and keeps no more than it gives.
fn admitted_in<T: Copy>(
    span: &Table<ReservationId, Remembered<T>>,
    first: ReservationId,
    max: usize,
    found: &mut Vec<(ReservationId, T)>,
) -> Option<ReservationId> {
    let mut smallest = BinaryHeap::new();
    for (id, what) in span {
        let is_wanted = *id >= first && matches!(what, Remembered::Admitted(_));
        if is_wanted && (smallest.len() <= max || smallest.peek().is_some_and(|largest| id < largest)) {
            smallest.push(*id);
            if smallest.len() > max + 1 {
                smallest.pop();
            }
        }
    }
    let next = if smallest.len() > max { smallest.pop() } else { None };
    found.extend(smallest.into_iter().filter_map(|id| match span.get(&id)? {
        Remembered::Admitted(what) => Some((id, *what)),
        Remembered::Over => None,
    }));
    next
}

/// What is remembered of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remembered<T> {
    /// It was admitted, with this.
    Admitted(T),
    /// It may hold nothing any more: it was given back, maybe before it came.
    Over,
}

/// Reservations, the oldest of which are forgotten first.
#[derive(Debug, Clone)]
pub(super) struct Minted<T> {
    spans: VecDeque<Table<ReservationId, Remembered<T>>>,
    /// Empty ones that have been used.
    spare: Vec<Table<ReservationId, Remembered<T>>>,
    /// The first of them.
    first: MintSpan,
    /// What was minted before may have been forgotten.
    horizon: MintSpan,
    count: usize,
    max: usize,
}

impl<T: Copy> Minted<T> {
    /// Room for so many.
    pub(super) const fn new(max: usize) -> Self {
        Self {
            spans: VecDeque::new(),
            spare: Vec::new(),
            first: MintSpan(0),
            horizon: MintSpan(0),
            count: 0,
            max,
        }
    }

    pub(super) fn get(&self, reservation: ReservationId) -> Option<Remembered<T>> {
        let place = self.place(minted_in(reservation))?;
        self.spans.get(place)?.get(&reservation).copied()
    }

    /// Those that were admitted, from an id on, in any order; and from which id to go on, if that are not all of them. A look
    /// gives as many as said at most, and ends with the span in which it has seen as many.
    pub(super) fn admitted_from(
        &self,
        first: ReservationId,
        looked_at_max: usize,
    ) -> (Vec<(ReservationId, T)>, Option<ReservationId>) {
        let skipped = self.place(minted_in(first)).unwrap_or(0).min(self.spans.len());
        let (mut found, mut looked_at) = (Vec::new(), 0);
        for (number, span) in (self.first.0 + skipped as u64..).zip(self.spans.range(skipped..)) {
            if looked_at >= looked_at_max {
                return (found, Some(ReservationId::new(u128::from(number * SPAN_MS) << 80)));
            }
            let next = admitted_in(span, first, looked_at_max - looked_at, &mut found);
            if next.is_some() {
                return (found, next);
            }
            looked_at += 1 + span.len();
        }
        (found, None)
    }

    /// What was minted before may have been forgotten.
    pub(super) fn forgotten_before(&self) -> Timestamp {
        begin_of(self.horizon)
    }

    /// Whether it would be remembered, and is not one that may have been forgotten.
    pub(super) fn has_room_for(&self, reservation: ReservationId) -> bool {
        minted_in(reservation) >= self.oldest_with_room()
    }

    /// From when on whatever was minted is remembered.
    pub(super) fn remembers_since(&self) -> Timestamp {
        begin_of(self.oldest_with_room())
    }

    /// When there is no room, the first span makes it for those that come later.
    fn oldest_with_room(&self) -> MintSpan {
        let full = self.count >= self.max;
        if full { self.horizon.max(MintSpan(self.first.0 + 1)) } else { self.horizon }
    }

    /// Remembers one that there is room for.
    pub(super) fn insert(&mut self, reservation: ReservationId, what: Remembered<T>) {
        let span = minted_in(reservation);
        while self.count >= self.max && self.first < span {
            self.forget_first();
        }
        self.reach_back(span);
        self.reach(span, 0);
        let Some(place) = self.place(span) else { return };
        let is_new = self.spans[place].insert(reservation, what).is_none();
        self.count += usize::from(is_new);
    }

    /// Forgets what was minted before a span.
    pub(super) fn forget_before(&mut self, oldest: MintSpan) {
        while self.first < oldest && !self.spans.is_empty() {
            self.forget_first();
        }
        self.horizon = self.horizon.max(oldest);
    }

    /// Makes room in the spans up to one, for as many as there were lately.
    pub(super) fn make_room(&mut self, until: MintSpan) {
        let lately = self.spans.iter().rev().take(LIKE_THE_LAST).map(Table::len).max().unwrap_or(0);
        if lately > 0 {
            self.reach(until, lately + lately / 4);
        }
    }

    /// The first span is this one, or before it.
    fn reach_back(&mut self, span: MintSpan) {
        if self.spans.is_empty() {
            self.first = span;
        }
        while span < self.first {
            self.spans.push_front(Table::default());
            self.first = MintSpan(self.first.0 - 1);
        }
    }

    fn reach(&mut self, span: MintSpan, room: usize) {
        while self.place(span).is_some_and(|place| place >= self.spans.len()) {
            let table = self.table(room);
            self.spans.push_back(table);
        }
    }

    fn table(&mut self, room: usize) -> Table<ReservationId, Remembered<T>> {
        let used = if room > 0 { self.spare.pop() } else { None };
        used.filter(|table| table.capacity() >= room)
            .unwrap_or_else(|| Table::with_capacity_and_hasher(room, foldhash::fast::RandomState::default()))
    }

    fn forget_first(&mut self) {
        if let Some(mut forgotten) = self.spans.pop_front() {
            self.count -= forgotten.len();
            forgotten.clear();
            if forgotten.capacity() > 0 && self.spare.len() < SPARE_MAX {
                self.spare.push(forgotten);
            }
        }
        self.first = MintSpan(self.first.0 + 1);
        self.horizon = self.horizon.max(self.first);
    }

    fn place(&self, span: MintSpan) -> Option<usize> {
        usize::try_from(span.0.checked_sub(self.first.0)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minted(ms: u64, number: u64) -> ReservationId {
        ReservationId::new(u128::from(ms) << 80 | 7 << 76 | u128::from(number))
    }

    fn remember(all: &mut Minted<u8>, reservation: ReservationId) {
        assert!(all.has_room_for(reservation));
        all.insert(reservation, Remembered::Admitted(9));
    }

    #[test]
    fn what_is_kept_is_what_is_found() {
        let mut all = Minted::new(2);
        let (held, released) = (Remembered::Admitted(7), Remembered::Over);
        all.insert(minted(1, 1), held);
        all.insert(minted(1, 2), released);
        assert_eq!((all.get(minted(1, 1)), all.get(minted(1, 2))), (Some(held), Some(released)));
        assert_eq!(all.get(minted(1, 3)), None);
    }

    #[test]
    fn the_oldest_span_makes_room_for_the_newest_and_is_not_taken_for_unseen() {
        let mut all = Minted::new(2);
        let (old, older) = (minted(SPAN_MS, 1), minted(0, 1));
        remember(&mut all, older);
        remember(&mut all, old);
        remember(&mut all, minted(5 * SPAN_MS, 1));
        assert!(all.get(older).is_none() && !all.has_room_for(older));
        assert!(all.get(old).is_some());
        assert_eq!(all.count, 2);
        assert_eq!(all.forgotten_before(), begin_of(MintSpan(1)), "all since old is known");
        assert_eq!(
            all.remembers_since().as_millis(),
            i64::try_from(2 * SPAN_MS).unwrap(),
            "old is the next to go"
        );
    }

    #[test]
    fn one_span_alone_never_holds_more_than_the_most() {
        let mut all = Minted::new(2);
        all.forget_before(MintSpan(7));
        remember(&mut all, minted(7 * SPAN_MS, 1));
        remember(&mut all, minted(7 * SPAN_MS, 2));
        assert!(!all.has_room_for(minted(7 * SPAN_MS, 3)));
        assert!(all.has_room_for(minted(8 * SPAN_MS, 3)));
    }

    #[test]
    fn a_long_silence_forgets_everything_and_costs_no_spans() {
        let mut all = Minted::new(9);
        remember(&mut all, minted(0, 1));
        all.forget_before(MintSpan(u64::MAX / 2));
        assert_eq!((all.count, all.spans.len(), all.horizon), (0, 0, MintSpan(u64::MAX / 2)));
    }

    #[test]
    fn one_that_comes_late_is_remembered_too() {
        let mut all = Minted::new(9);
        remember(&mut all, minted(9 * SPAN_MS, 1));
        remember(&mut all, minted(2 * SPAN_MS, 1));
        assert!(all.get(minted(9 * SPAN_MS, 1)).is_some() && all.get(minted(2 * SPAN_MS, 1)).is_some());
        assert_eq!((all.count, all.spans.len()), (2, 8));
    }

    #[test]
    fn a_full_span_is_told_in_parts_that_have_each_id_once() {
        let mut all = Minted::new(100);
        (0..60).for_each(|number| remember(&mut all, minted(number % 3, number)));
        (60..70).for_each(|number| all.insert(minted(1, number), Remembered::Over));
        remember(&mut all, minted(3 * SPAN_MS, 1));
        let (mut told, mut first) = (Vec::new(), Some(minted(0, 0)));
        while let Some(from) = first {
            let (part, next) = all.admitted_from(from, 7);
            assert!(part.len() <= 7 && part.iter().all(|(id, _)| next.is_none_or(|next| *id < next)));
            told.extend(part.into_iter().map(|(id, _)| id));
            first = next;
        }
        told.sort_unstable();
        let mut expected: Vec<_> = (0..60).map(|number| minted(number % 3, number)).collect();
        expected.push(minted(3 * SPAN_MS, 1));
        expected.sort_unstable();
        assert_eq!(told, expected);
    }

    #[test]
    fn room_is_made_like_the_last() {
        let mut all = Minted::new(100);
        (0..10).for_each(|number| remember(&mut all, minted(0, number)));
        all.make_room(MintSpan(2));
        assert_eq!(all.spans.len(), 3);
        assert!(all.spans.iter().all(|table| table.capacity() >= 10));
        assert_eq!(all.count, 10);
    }
}
