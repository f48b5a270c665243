//! What runs have reached.

/// How often a run reached what is worth checking.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) admitted: usize,
    pub(crate) borrowed: usize,
    pub(crate) shadowed: usize,
    pub(crate) told_when: usize,
    pub(crate) told_never: usize,
    pub(crate) deficits: usize,
    pub(crate) governed: usize,
    pub(crate) change_refused: usize,
    pub(crate) crashes: usize,
    pub(crate) late_settles: usize,
    pub(crate) thresholds: usize,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.admitted += other.admitted;
        self.borrowed += other.borrowed;
        self.shadowed += other.shadowed;
        self.told_when += other.told_when;
        self.told_never += other.told_never;
        self.deficits += other.deficits;
        self.governed += other.governed;
        self.change_refused += other.change_refused;
        self.crashes += other.crashes;
        self.late_settles += other.late_settles;
        self.thresholds += other.thresholds;
    }
}
