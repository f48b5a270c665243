//! Names for keys that nobody has named: the service's, and a tail that no other key has.

use weir_domain::ids::{CallerKeyId, NAME_CHARS_MAX, ServiceId};

/// What a tail is made of, in turns: no vowels, so no words; nothing that is read for something else.
const LETTERS: &[u8] = b"bcdfghjkmnpqrstvwxyz";
const DIGITS: &[u8] = b"23456789";
/// A letter and a digit so many times: 655 million tails, so that a new one is not that of any key there is.
const PAIRS: usize = 4;

/// A name for a key of a service: `chat-k7q2m9w4`.
pub(super) fn for_key_of(service: &ServiceId) -> anyhow::Result<CallerKeyId> {
    with_tail(service.as_str())
}

/// A name for the key after this one: the same with another tail.
pub(super) fn successor(old: &CallerKeyId) -> anyhow::Result<CallerKeyId> {
    let stem = old.as_str().rsplit_once('-').filter(|(_, end)| is_tail(end)).map(|(stem, _)| stem);
    with_tail(stem.unwrap_or(old.as_str()))
}

fn with_tail(stem: &str) -> anyhow::Result<CallerKeyId> {
    let tail = tail();
    let stem = stem.get(..NAME_CHARS_MAX - tail.len() - 1).unwrap_or(stem);
    Ok(CallerKeyId::try_new(&format!("{stem}-{tail}"))?)
}

fn tail() -> String {
    let pick = |from: &[u8]| char::from(from[rand::random_range(0..from.len())]);
    (0..PAIRS).flat_map(|_| [pick(LETTERS), pick(DIGITS)]).collect()
}

fn is_tail(text: &str) -> bool {
    let turns = [LETTERS, DIGITS].into_iter().cycle();
    text.len() == 2 * PAIRS && text.bytes().zip(turns).all(|(byte, from)| from.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_has_the_same_stem_and_its_own_tail() {
        let service = "shop-assistant".parse().unwrap();
        let first = for_key_of(&service).unwrap();
        let next = successor(&first).unwrap();
        for name in [&first, &next] {
            let tail = name.as_str().strip_prefix("shop-assistant-").unwrap();
            assert!(is_tail(tail), "{name}");
        }
        assert_ne!(first, next);
        let named = successor(&"night-watching".parse().unwrap()).unwrap();
        assert!(
            named.as_str().starts_with("night-watching-"),
            "a name that people chose stays whole: {named}"
        );
        assert_eq!(successor(&"a".repeat(63).parse().unwrap()).unwrap().as_str().len(), 63);
    }

    #[test]
    fn names_that_are_made_at_once_differ() {
        let service = "chat".parse().unwrap();
        let names: std::collections::BTreeSet<_> = (0..100).map(|_| for_key_of(&service).unwrap()).collect();
        assert_eq!(names.len(), 100);
    }
}
