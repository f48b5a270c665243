//! Which holds of a slice were settled, by their numbers.

/// How many holds are handed out from one slice: their marks fit 512 bytes, and at a slice a second they are 4,096 requests
/// a second of one allocation.
pub const HOLDS_PER_SLICE: u32 = 4_096;
/// Words beyond the first that all numbers take.
const WORDS_MORE: usize = (HOLDS_PER_SLICE / u64::BITS) as usize - 1;

/// The numbers of the holds of a slice that were settled. Most slices have few: the first 64 need no room of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::ledger) struct Marks {
    first: u64,
    more: Option<Box<[u64; WORDS_MORE]>>,
    count: u32,
}

impl Marks {
    fn word(&self, number: u32) -> u64 {
        let place = (number / u64::BITS) as usize;
        match (place.checked_sub(1), &self.more) {
            (None, _) => self.first,
            (Some(place), Some(more)) => more[place],
            (Some(_), None) => 0,
        }
    }

    fn word_mut(&mut self, number: u32, recycled: &mut RecycledMarks) -> &mut u64 {
        match ((number / u64::BITS) as usize).checked_sub(1) {
            None => &mut self.first,
            Some(place) => &mut self.more.get_or_insert_with(|| recycled.take())[place],
        }
    }

    /// Whether the number is marked. Numbers that no hold can have count as marked.
    pub(in crate::ledger) fn has(&self, number: u32) -> bool {
        number >= HOLDS_PER_SLICE || self.word(number) >> (number % u64::BITS) & 1 == 1
    }

    /// Marks a number that is not marked.
    pub(in crate::ledger) fn mark(&mut self, number: u32, recycled: &mut RecycledMarks) {
        if !self.has(number) {
            *self.word_mut(number, recycled) |= 1 << (number % u64::BITS);
            self.count += 1;
        }
    }

    /// There are no numbers from this one on, whatever was marked.
    pub(in crate::ledger) fn end_at(&mut self, end: u32) {
        let kept = |place: u32| match end.saturating_sub(place * u64::BITS) {
            bits @ 0..u64::BITS => (1 << bits) - 1,
            _ => u64::MAX,
        };
        self.first &= kept(0);
        self.count = self.first.count_ones();
        for (place, word) in (1..).zip(self.more.iter_mut().flat_map(|more| more.iter_mut())) {
            *word &= kept(place);
            self.count += word.count_ones();
        }
    }

    /// How many are marked.
    pub(in crate::ledger) const fn count(&self) -> u32 {
        self.count
    }

    /// The words up to the last that has a mark, for a snapshot.
    pub(in crate::ledger) fn words(&self) -> Vec<u64> {
        let more = self.more.iter().flat_map(|more| more.iter().copied());
        let mut words: Vec<u64> = std::iter::once(self.first).chain(more).collect();
        while words.last() == Some(&0) {
            words.pop();
        }
        words
    }

    /// From a snapshot's words; what is missing is unmarked.
    pub(in crate::ledger) fn from_words(words: &[u64]) -> Self {
        let mut marks = Self::default();
        for (place, word) in (0..=WORDS_MORE).zip(words).filter(|(_, word)| **word != 0) {
            let number = u32::try_from(place).expect("there are fewer words than numbers") * u64::BITS;
            *marks.word_mut(number, &mut RecycledMarks::default()) = *word;
        }
        marks.count = words.iter().take(WORDS_MORE + 1).map(|word| word.count_ones()).sum();
        marks
    }
}

/// Room for marks that slices have let go of, so that settles in a busy pool allocate nothing. Nothing that is known: one is as
/// good as another.
#[derive(Debug, Clone, Default)]
#[expect(clippy::vec_box, reason = "they are handed on as they are, not copied")]
pub(in crate::ledger) struct RecycledMarks(Vec<Box<[u64; WORDS_MORE]>>);

/// How many are kept: those of as many slices as a busy pool has at once, in 512 KB.
const RECYCLED_MARKS_MAX: usize = 1_024;

impl RecycledMarks {
    fn take(&mut self) -> Box<[u64; WORDS_MORE]> {
        self.0.pop().unwrap_or_else(|| Box::new([0; WORDS_MORE]))
    }

    /// Keeps the room of marks that nobody needs any more.
    pub(in crate::ledger) fn keep(&mut self, marks: Marks) {
        if let Some(mut more) = marks.more.filter(|_| self.0.len() < RECYCLED_MARKS_MAX) {
            more.fill(0);
            self.0.push(more);
        }
    }
}

impl PartialEq for RecycledMarks {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_marked_once_and_survives_a_snapshot() {
        let (mut marks, mut recycled) = (Marks::default(), RecycledMarks::default());
        for number in [0, 63, 64, 4_095, 64] {
            marks.mark(number, &mut recycled);
            assert!(marks.has(number), "{number}");
        }
        assert_eq!(marks.count(), 4);
        assert!(!marks.has(1) && !marks.has(65) && marks.has(HOLDS_PER_SLICE));
        assert_eq!(Marks::from_words(&marks.words()), marks);
        assert_eq!(Marks::from_words(&[0b101]).words(), [0b101]);
    }

    #[test]
    fn what_was_marked_beyond_the_end_does_not_count() {
        for (end, count) in [(0, 0), (1, 1), (63, 1), (64, 2), (65, 3), (4_095, 3), (4_096, 4)] {
            let (mut marks, mut recycled) = (Marks::default(), RecycledMarks::default());
            for number in [0, 63, 64, 4_095] {
                marks.mark(number, &mut recycled);
            }
            marks.end_at(end);
            assert_eq!((marks.count(), marks.has(0)), (count, end > 0), "{end}");
            assert_eq!(Marks::from_words(&marks.words()).count(), count);
        }
    }

    #[test]
    fn room_is_used_again_and_nothing_is_marked_in_it() {
        let (mut marks, mut recycled) = (Marks::default(), RecycledMarks::default());
        marks.mark(100, &mut recycled);
        recycled.keep(marks);
        let mut marks = Marks::default();
        marks.mark(200, &mut recycled);
        assert!(recycled.0.is_empty() && !marks.has(100) && marks.has(200));
    }
}
