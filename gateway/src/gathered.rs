//! Bytes that are to leave together; copied only if there are several stretches of them.

use bytes::{Bytes, BytesMut};

/// Stretches of bytes, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    first: Bytes,
    /// All of them, once there is a second.
    joined: BytesMut,
}

impl Gathered {
    /// Adds a stretch at the end.
    pub(crate) fn add(&mut self, bytes: Bytes) {
        if self.is_empty() {
            self.first = bytes;
            return;
        }
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&self.first);
        }
        self.joined.extend_from_slice(&bytes);
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.first.len().max(self.joined.len())
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all.
    pub(crate) fn take(&mut self) -> Bytes {
        let first = std::mem::take(&mut self.first);
        if self.joined.is_empty() { first } else { self.joined.split().freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_come_out_in_order_and_one_alone_is_not_copied() {
        let mut gathered = Gathered::default();
        let alone = Bytes::from(vec![1, 2]);
        gathered.add(alone.clone());
        gathered.add(Bytes::new());
        assert_eq!(gathered.len(), 2);
        gathered.add(Bytes::from_static(&[3]));
        assert_eq!(gathered.take(), [1, 2, 3].as_slice());
        assert!(gathered.is_empty());
        gathered.add(alone.clone());
        assert_eq!(gathered.take().as_ptr(), alone.as_ptr());
    }
}
