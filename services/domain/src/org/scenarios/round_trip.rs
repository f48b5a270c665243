//! What is exported can be applied again, to the same organisation and to an empty one.

use std::time::Duration;

use proptest::prelude::*;

use super::generate::{any_policy, sorted};
use super::*;

/// After this, every burst is over and every exception has ended that [`any_policy`] makes.
const LATER: Duration = Duration::from_hours(24 * 90);

fn exported(org: &Org, at: Timestamp) -> Policy {
    sorted(org.policy(at))
}

proptest! {
    #[test]
    fn a_policy_applied_to_an_empty_organisation_is_exported_as_it_was(policy in any_policy(NOW)) {
        let org = organised(&policy);
        prop_assert_eq!(exported(&org, NOW), sorted(policy));
    }

    #[test]
    fn an_export_changes_nothing_here_and_everything_elsewhere(
        before in any_policy(NOW),
        after in any_policy(NOW.plus(LATER / 2)),
    ) {
        let mut org = organised(&before);
        for at in [NOW.plus(LATER / 2), NOW.plus(LATER), NOW.plus(LATER * 2)] {
            if at == NOW.plus(LATER / 2) {
                apply_at(&mut org, &after, at);
                prop_assert!(apply_at(&mut org, &after, at).is_empty(), "the same again changes nothing");
            }
            let export = org.policy(at);
            let mut here = org.clone();
            let change = apply_at(&mut here, &export, at);
            prop_assert!(change.is_empty(), "{:?}", change.lines);
            let mut elsewhere = Org::default();
            apply_at(&mut elsewhere, &export, at);
            prop_assert_eq!(elsewhere.policy(at), export);
            prop_assert_eq!(elsewhere.directory().services, org.directory().services);
            prop_assert_eq!(elsewhere.directory().pools, org.directory().pools);
        }
    }
}
