//! Finds the members of a JSON object without building it, so that bytes can be spliced and all others stay as they are.
//!
//! Meant for well-formed JSON: what is malformed is either not found or found wrongly, but never out of bounds.

use std::ops::Range;

use memchr::memchr2;

/// One member of an object: where its key (with the quotes) and its value stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) key: Range<usize>,
    pub(crate) value: Range<usize>,
}

impl Member {
    /// Whether the key says `name`, escaped or not.
    pub(crate) fn is(&self, json: &[u8], name: &str) -> bool {
        let key = &json[self.key.clone()];
        let plain = &key[1..key.len() - 1];
        if memchr::memchr(b'\\', plain).is_none() {
            return plain == name.as_bytes();
        }
        serde_json::from_slice::<String>(key).is_ok_and(|key| key == name)
    }
}

/// The members of the object that `json` is, in order; none if it is something else.
pub(crate) fn members(json: &[u8]) -> Option<Vec<Member>> {
    let mut found = Vec::with_capacity(12);
    let mut at = skip_whitespace(json, 0);
    if json.get(at) != Some(&b'{') {
        return None;
    }
    at = skip_whitespace(json, at + 1);
    if json.get(at) == Some(&b'}') {
        return Some(found);
    }
    loop {
        let key_end = skip_string(json, at)?;
        let colon = skip_whitespace(json, key_end);
        if json.get(colon) != Some(&b':') {
            return None;
        }
        let value = skip_whitespace(json, colon + 1);
        let value_end = skip_value(json, value)?;
        found.push(Member { key: at..key_end, value: value..value_end });
        at = skip_whitespace(json, value_end);
        match json.get(at)? {
            b',' => at = skip_whitespace(json, at + 1),
            b'}' => return Some(found),
            _ => return None,
        }
    }
}

/// What to cut so that the object is as if the member had never been there: the member and one comma.
pub(crate) fn removal(members: &[Member], index: usize) -> Range<usize> {
    let member = &members[index];
    match (index.checked_sub(1).map(|before| &members[before]), members.get(index + 1)) {
        (Some(before), _) => before.value.end..member.value.end,
        (None, Some(next)) => member.key.start..next.key.start,
        (None, None) => member.key.start..member.value.end,
    }
}

fn skip_whitespace(json: &[u8], mut at: usize) -> usize {
    while matches!(json.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// The place after the string that begins at `at`.
pub(crate) fn skip_string(json: &[u8], at: usize) -> Option<usize> {
    if json.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        at += memchr2(b'"', b'\\', json.get(at..)?)?;
        if json[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn skip_value(json: &[u8], at: usize) -> Option<usize> {
    match json.get(at)? {
        b'"' => skip_string(json, at),
        b'{' | b'[' => skip_container(json, at),
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
            let len = json[at..].iter().position(ends).unwrap_or(json.len() - at);
            (len > 0).then_some(at + len)
        }
    }
}

fn skip_container(json: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match json.get(at)? {
            b'"' => {
                at = skip_string(json, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn without(text: &str, name: &str) -> String {
        let found = members(text.as_bytes()).unwrap();
        let index = found.iter().position(|member| member.is(text.as_bytes(), name)).unwrap();
        let cut = removal(&found, index);
        format!("{}{}", &text[..cut.start], &text[cut.end..])
    }

    #[test]
    fn a_member_is_cut_with_one_comma() {
        assert_eq!(without(r#"{"a":1,"u":null,"b":2}"#, "u"), r#"{"a":1,"b":2}"#);
        assert_eq!(without(r#"{"a": 1, "u": null}"#, "u"), r#"{"a": 1}"#);
        assert_eq!(without(r#"{"u": null, "a": 1}"#, "u"), r#"{"a": 1}"#);
        assert_eq!(without(r#"{ "u" : {"x":"}"} }"#, "u"), "{  }");
    }

    #[test]
    fn a_key_is_known_however_it_is_escaped() {
        let text = br#"{"\u0073tream":true,"s\"":1}"#;
        let found = members(text).unwrap();
        assert!(found[0].is(text, "stream"));
        assert!(found[1].is(text, "s\""));
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for text in ["", "[1]", "null", "{", r#"{"a"}"#, r#"{"a":}"#, r#"{"a":1"#, r#"{"a":"x"#, "[DONE]"] {
            assert_eq!(members(text.as_bytes()), None, "{text}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            Just(json!("a\\\"}]{[,:")),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((".{0,4}", inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn members_are_those_that_a_parser_finds(
            pairs in prop::collection::vec((".{0,6}", any_json()), 0..6), pretty in any::<bool>(),
        ) {
            let object: Map<String, Value> = pairs.into_iter().collect();
            let text = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }.unwrap();
            let found: Map<String, Value> = members(&text).unwrap().into_iter()
                .map(|member| (
                    serde_json::from_slice(&text[member.key]).unwrap(),
                    serde_json::from_slice(&text[member.value]).unwrap(),
                ))
                .collect();
            prop_assert_eq!(found, object);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..64), json in any_json(), cut in any::<prop::sample::Index>()) {
            let _ = members(&bytes);
            let text = json.to_string();
            let _ = members(&text.as_bytes()[..cut.index(text.len() + 1)]);
        }
    }
}
