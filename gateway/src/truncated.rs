//! Closes JSON that broke off, so that what was delivered of it can be read.

use crate::json_members::skip_string;

/// The most bytes at the end of a broken string that are no character yet: an escaped surrogate pair less one byte.
const PARTIAL_CHARACTER_BYTES_MAX: usize = 11;

/// The text with all that is open closed. What is not whole at its end is left out, but for a string that is a value:
/// of that, all whole characters stay.
pub(crate) fn close(json: &[u8]) -> Vec<u8> {
    // Closing brackets that are missing, and the length up to which the text with them is whole.
    let (mut missing, mut whole) = (Vec::new(), 0);
    let (mut at, mut is_key) = (0, false);
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => match skip_string(json, at) {
                Some(end) => {
                    whole = if is_key { whole } else { end };
                    at = end;
                    continue;
                }
                None if is_key => break,
                None => return [&json[..at], &close_string(&json[at..]), &closed(&missing)].concat(),
            },
            b'{' | b'[' => {
                is_key = *byte == b'{';
                missing.push(if is_key { b'}' } else { b']' });
                whole = at + 1;
            }
            b'}' | b']' => {
                missing.pop();
                whole = at + 1;
            }
            b',' => {
                is_key = missing.last() == Some(&b'}');
                whole = at;
            }
            b':' => is_key = false,
            _ => {}
        }
        at += 1;
    }
    [&json[..whole], &closed(&missing)].concat()
}

fn closed(missing: &[u8]) -> Vec<u8> {
    missing.iter().rev().copied().collect()
}

fn close_string(string: &[u8]) -> Vec<u8> {
    let candidates = (0..=PARTIAL_CHARACTER_BYTES_MAX.min(string.len() - 1))
        .map(|partial| [&string[..string.len() - partial], b"\""].concat());
    let mut whole = candidates.filter(|string| serde_json::from_slice::<String>(string).is_ok());
    whole.next().unwrap_or_else(|| b"\"\"".to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn closed_value(text: &str) -> Value {
        serde_json::from_slice(&close(text.as_bytes())).unwrap()
    }

    #[test]
    fn of_a_broken_string_all_whole_characters_stay() {
        let answer = "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hel\\n";
        let expected =
            json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "hel\n"}}]});
        assert_eq!(closed_value(answer), expected);
        for partial in ["\\", "\\u00", "\\ud83d", "\\ud83d\\ude0"] {
            assert_eq!(closed_value(&format!("{answer}{partial}")), expected, "{partial}");
        }
        let bytes = [b"[\"a", &"😀".as_bytes()[..3]].concat();
        assert_eq!(close(&bytes), b"[\"a\"]");
    }

    #[test]
    fn what_is_no_value_yet_is_left_out() {
        for broken in [r#"{"a":1,"b"#, r#"{"a":1,"b":"#, r#"{"a":1,"b":tr"#, r#"{"a":1,"#, r#"{"a":1,"b" "#] {
            assert_eq!(closed_value(broken), json!({"a": 1}), "{broken}");
        }
        assert_eq!(close(b""), b"");
        assert_eq!(close(b"<html>"), b"");
    }

    proptest! {
        #[test]
        fn an_answer_that_breaks_anywhere_can_be_read(content in ".{0,40}", cut in any::<prop::sample::Index>()) {
            let answer = json!({"choices": [{"message": {"content": content, "x": [1, {"y": null}]}}], "n": 1.5});
            let text = answer.to_string();
            let cut = cut.index(text.len()) + 1;
            let read: Value = serde_json::from_slice(&close(&text.as_bytes()[..cut])).unwrap();
            let delivered = read["choices"][0]["message"]["content"].as_str().unwrap_or_default();
            prop_assert!(content.starts_with(delivered), "{delivered:?}");
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = close(&bytes);
        }
    }
}
