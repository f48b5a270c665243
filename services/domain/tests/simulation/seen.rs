//! How often runs reached what is worth checking.

macro_rules! counts {
    ($($name:ident),+) => {
        /// Counts of one run, or of several.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub(crate) struct Seen {
            $(pub(crate) $name: usize,)+
        }

        impl Seen {
            pub(crate) fn add(&mut self, other: Self) {
                $(self.$name += other.$name;)+
            }

            /// Those that stayed at nothing.
            pub(crate) fn missing(&self) -> Vec<&'static str> {
                let counts = [$((stringify!($name), self.$name)),+];
                counts.into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
            }
        }
    };
}

counts!(
    events,
    admitted,
    refused_for_capacity,
    refused_for_budget,
    refused_for_requests,
    refused_in_flight,
    stale,
    over,
    borrowed,
    shadowed,
    repeated,
    drawn_again,
    self_granted,
    released,
    late_settles,
    overdrawn,
    handed_by_nodes,
    lapsed_at_nodes,
    governed,
    change_refused,
    bursts,
    jumps,
    kills,
    gateway_crashes,
    appends,
    appends_rejected,
    appends_unknown,
    from_snapshot,
    retries_checked,
    guarantees_checked,
    replays_checked,
    deficits,
    expired
);
