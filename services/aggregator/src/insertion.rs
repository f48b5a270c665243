//! One insertion of a range's rows into a table, that takes effect exactly once whatever is lost on the way.
//!
//! The first try of a range that nobody began before is one insert. After a lost answer, or when a range was begun
//! by somebody who died, the rows that are there are looked at first: a token that ClickHouse remembers stops a
//! second insert, but the window is finite, and a server that is killed may remember a token without its rows.
//! Rows that are missing although the token was taken are inserted with a token that names exactly them.

use std::collections::BTreeSet;

use weir_domain::time::Timestamp;
use weir_runtime::journal::Offset;

use crate::intent::Range;
use crate::warehouse::{Error, Rows, Span, Warehouse};

/// So many repairs of one range are tried before it counts as a failure. Each needs one more kill of the server.
const REPAIRS_MAX: u32 = 8;

/// What may have been inserted before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Nothing of this range.
    Nothing,
    /// This very range: somebody committed it as an intent and died.
    ThisRange,
    /// Rows of it, under another range's token: the group's commits were lost, the tables were not.
    OtherRanges,
}

/// Rows of a range on their way into their table. Kept over retries.
pub(crate) struct Insertion<'a> {
    range: &'a Range,
    rows: &'a Rows,
    span: Span,
    /// Whether an insert of these rows may have been applied already.
    doubtful: bool,
    /// From 1 on only what is missing is inserted: the whole range's token has been tried, or means nothing.
    repairs: u32,
}

impl<'a> Insertion<'a> {
    pub(crate) fn new(range: &'a Range, rows: &'a Rows, doubt: Doubt) -> Self {
        let doubtful = doubt != Doubt::Nothing;
        Self { range, rows, span: span_of(rows), doubtful, repairs: u32::from(doubt == Doubt::OtherRanges) }
    }

    /// Tries until the rows are there, or something fails; then call it again.
    pub(crate) async fn complete(&mut self, warehouse: &dyn Warehouse) -> Result<(), Error> {
        if !self.doubtful {
            self.doubtful = true;
            return warehouse.insert(&self.token(), self.range, self.rows).await;
        }
        while self.repairs <= REPAIRS_MAX {
            let missing = self.missing(warehouse).await?;
            if missing.len() == 0 {
                return Ok(());
            }
            if self.repairs == 0 {
                warehouse.insert(&self.token(), self.range, self.rows).await?;
            } else {
                tracing::warn!(range = %self.range, rows = missing.len(), "inserting rows that are missing");
                warehouse.insert(&self.repair_token(&missing), self.range, &missing).await?;
            }
            self.repairs += 1;
        }
        self.repairs = 1;
        let operation = format!("insert {}", self.token());
        Err(Error { operation, reason: "it acknowledged the rows and does not have them".to_owned() })
    }

    async fn missing(&self, warehouse: &dyn Warehouse) -> Result<Rows, Error> {
        let present: BTreeSet<Offset> = warehouse.present(self.rows.table(), self.range, self.span).await?;
        Ok(self.rows.without(&present))
    }

    /// Names the topic, the partition, the exact range and the table.
    fn token(&self) -> String {
        format!("{}/{}", self.range, self.rows.table().name())
    }

    /// Names also which rows they are, for the same token must never stand for different ones.
    fn repair_token(&self, missing: &Rows) -> String {
        let offsets = missing.places().into_iter().map(|(offset, _)| offset.get());
        format!("{}/repair-{}/{}-{:016x}", self.token(), self.repairs, missing.len(), fingerprint(offsets))
    }
}

fn span_of(rows: &Rows) -> Span {
    let places = rows.places();
    let times = || places.iter().map(|(_, at)| *at);
    (times().min().unwrap_or(Timestamp::EPOCH), times().max().unwrap_or(Timestamp::EPOCH))
}

/// FNV-1a, 64 bits: <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>. Short, for tokens travel in a URL.
fn fingerprint(numbers: impl Iterator<Item = u64>) -> u64 {
    let bytes = numbers.flat_map(u64::to_le_bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_rows_have_different_fingerprints() {
        let of = |numbers: &[u64]| fingerprint(numbers.iter().copied());
        assert_eq!(of(&[1, 2]), of(&[1, 2]));
        assert_ne!(of(&[1, 2]), of(&[1, 3]));
        assert_ne!(of(&[1, 2]), of(&[2]));
    }
}
