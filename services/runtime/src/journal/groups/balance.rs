//! Who should own which partition: as even as can be, and as few moves as that allows.

use std::collections::{BTreeMap, HashMap};

use super::MemberId;

type Owners = BTreeMap<u32, MemberId>;

/// Shares partitions out evenly. Whoever has one keeps it unless that would be uneven.
pub(super) fn balanced(owners: &Owners, members: &[MemberId], partitions: u32) -> Owners {
    let Some(members_count) = u32::try_from(members.len()).ok().filter(|count| *count > 0) else {
        return Owners::new();
    };
    let share = partitions / members_count;
    // So many members have one partition more than the others.
    let mut larger_left = partitions % members_count;
    let mut counts: HashMap<MemberId, u32> = members.iter().map(|member| (*member, 0)).collect();
    let mut take = |member: MemberId, whole_share: bool| {
        let Some(count) = counts.get_mut(&member) else { return false };
        let larger = whole_share && *count == share && larger_left > 0;
        if *count >= share && !larger {
            return false;
        }
        larger_left -= u32::from(larger);
        *count += 1;
        true
    };
    let mut balanced = Owners::new();
    for (partition, owner) in owners {
        if *partition < partitions && take(*owner, true) {
            balanced.insert(*partition, *owner);
        }
    }
    for partition in (0..partitions).filter(|it| !owners.contains_key(it)).chain(owners.keys().copied()) {
        if balanced.contains_key(&partition) || partition >= partitions {
            continue;
        }
        let taker = members
            .iter()
            .find(|it| take(**it, false))
            .or_else(|| members.iter().find(|it| take(**it, true)));
        balanced.extend(taker.map(|member| (partition, *member)));
    }
    balanced
}

/// Moves every partition to the member after its owner.
pub(super) fn rotated(owners: &Owners, members: &[MemberId]) -> Owners {
    let after = |owner: MemberId| {
        let index = members.iter().position(|member| *member == owner)?;
        members.get((index + 1) % members.len()).copied()
    };
    owners.iter().filter_map(|(partition, owner)| Some((*partition, after(*owner)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_are_even_and_nobody_gives_up_what_it_may_keep(
            partitions in 0u32..20,
            before in prop::collection::vec(0u64..6, 20),
            members in prop::collection::btree_set(0u64..6, 1..6),
        ) {
            let owners: Owners = (0..partitions).map(|it| (it, MemberId(before[it as usize]))).collect();
            let members: Vec<_> = members.into_iter().map(MemberId).collect();

            let after = balanced(&owners, &members, partitions);

            prop_assert_eq!(after.len(), partitions as usize);
            let count = |it: &Owners, member| it.values().filter(|owner| **owner == member).count();
            let share = partitions as usize / members.len();
            for member in members {
                prop_assert!((share..=share + 1).contains(&count(&after, member)));
                let kept = after.iter().filter(|(it, owner)| **owner == member && owners[it] == member).count();
                prop_assert!(kept >= count(&owners, member).min(share));
            }
        }
    }

    #[test]
    fn a_group_without_members_owns_nothing() {
        assert_eq!(balanced(&Owners::from([(0, MemberId(1))]), &[], 4), Owners::new());
    }
}
