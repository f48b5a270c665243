//! Asks a stream for its usage where the caller did not, and takes exactly that out of the answer again.
//!
//! By splicing bytes, never by writing JSON anew: every byte that is not ours stays where it was.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::json_members::{Member, members, removal};
use crate::sse::Data;

const ASKS: &str = r#""include_usage":true"#;

/// The body of a streamed request with `stream_options.include_usage` set. None if the caller set it, or if the body is
/// such that the upstream will refuse it.
pub(crate) fn ask_for_usage(body: &[u8]) -> Option<Bytes> {
    let found = members(body)?;
    let Some(options) = found.iter().find(|member| member.is(body, "stream_options")) else {
        let end = found.last()?.value.end;
        return Some(splice(body, end..end, &format!(r#","stream_options":{{{ASKS}}}"#)));
    };
    let value = &body[options.value.clone()];
    if value == b"null" {
        return Some(splice(body, options.value.clone(), &format!("{{{ASKS}}}")));
    }
    let inner = members(value)?;
    let Some(asked) = inner.iter().find(|member| member.is(value, "include_usage")) else {
        let comma = if inner.is_empty() { "" } else { "," };
        let begin = options.value.start + 1;
        return Some(splice(body, begin..begin, &format!("{ASKS}{comma}")));
    };
    let begin = options.value.start;
    let said = begin + asked.value.start..begin + asked.value.end;
    matches!(&body[said.clone()], b"false" | b"null").then(|| splice(body, said, "true"))
}

/// The body with this model, for upstreams that read it from there. None if it says so already.
pub(crate) fn name_model(body: &[u8], model: &str) -> Option<Bytes> {
    let found = members(body)?;
    let quoted = format!("\"{model}\"");
    match found.iter().find(|member| member.is(body, "model")) {
        Some(named) if body[named.value.clone()] == *quoted.as_bytes() => None,
        Some(named) => Some(splice(body, named.value.clone(), &quoted)),
        None => {
            let end = found.last()?.value.end;
            Some(splice(body, end..end, &format!(",\"model\":{quoted}")))
        }
    }
}

/// What of an event is there only because we asked for usage.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Injected {
    /// Nothing.
    Nothing,
    /// All of it: the chunk that carries the usage and no choice.
    Event,
    /// These bytes of the event: the member `usage`.
    Bytes(Range<usize>),
}

/// Looks for what `include_usage` adds to an event: a last chunk with usage and without choices, and `"usage":null` in
/// all others. Usage beside choices is left alone: an upstream that reports it there does so unasked.
pub(crate) fn injected(data: &Data<'_>) -> Injected {
    let json = data.text();
    if memchr::memmem::find(json, b"usage").is_none() {
        return Injected::Nothing;
    }
    let Some(found) = members(json) else { return Injected::Nothing };
    let Some(index) = found.iter().position(|member| member.is(json, "usage")) else {
        return Injected::Nothing;
    };
    let value = |member: &Member| &json[member.value.clone()];
    let member = |name: &str| found.iter().find(|member| member.is(json, name)).map(value);
    let no_choices =
        member("choices").is_some_and(|choices| choices.iter().all(|byte| b"[] \t\r\n".contains(byte)));
    match value(&found[index]) {
        b"null" => Injected::Bytes(in_event(data, removal(&found, index))),
        usage if usage.starts_with(b"{") && no_choices => {
            if member("prompt_filter_results").is_none() {
                return Injected::Event;
            }
            Injected::Bytes(in_event(data, removal(&found, index)))
        }
        _ => Injected::Nothing,
    }
}

fn in_event(data: &Data<'_>, range: Range<usize>) -> Range<usize> {
    data.place_in_event(range.start)..data.place_in_event(range.end - 1) + 1
}

fn splice(body: &[u8], cut: Range<usize>, insert: &str) -> Bytes {
    let mut spliced = BytesMut::with_capacity(body.len() - cut.len() + insert.len());
    spliced.extend_from_slice(&body[..cut.start]);
    spliced.extend_from_slice(insert.as_bytes());
    spliced.extend_from_slice(&body[cut.end..]);
    spliced.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str) -> Option<String> {
        ask_for_usage(body.as_bytes()).map(|body| String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn usage_is_asked_for_without_touching_another_byte() {
        let cases = [
            (r#"{"model": "m" }"#, r#"{"model": "m","stream_options":{"include_usage":true} }"#),
            (r#"{"stream_options":null,"a":1}"#, r#"{"stream_options":{"include_usage":true},"a":1}"#),
            (r#"{"stream_options": {}}"#, r#"{"stream_options": {"include_usage":true}}"#),
            (
                r#"{"stream_options":{"include_obfuscation":false}}"#,
                r#"{"stream_options":{"include_usage":true,"include_obfuscation":false}}"#,
            ),
            (
                r#"{"stream_options":{"include_usage": false }}"#,
                r#"{"stream_options":{"include_usage": true }}"#,
            ),
            (r#"{"stream_options":{"include_usage":null}}"#, r#"{"stream_options":{"include_usage":true}}"#),
            (
                r#"{"messages":[{"content":"\"stream_options\":null"}]}"#,
                r#"{"messages":[{"content":"\"stream_options\":null"}],"stream_options":{"include_usage":true}}"#,
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(asked(body).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_caller_who_asked_and_a_body_that_will_be_refused_are_left_alone() {
        for body in [
            r#"{"stream_options":{"include_usage":true}}"#,
            r#"{"stream_options":{"include_usage":"yes"}}"#,
            r#"{"stream_options":[]}"#,
            "[]",
        ] {
            assert_eq!(asked(body), None, "{body}");
        }
    }

    #[test]
    fn the_model_is_named_where_the_body_does_not() {
        let named = |body: &str| {
            name_model(body.as_bytes(), "m-2").map(|body| String::from_utf8(body.to_vec()).unwrap())
        };
        assert_eq!(named(r#"{"model": null, "n":1}"#).as_deref(), Some(r#"{"model": "m-2", "n":1}"#));
        assert_eq!(named(r#"{"model":"m"}"#).as_deref(), Some(r#"{"model":"m-2"}"#));
        assert_eq!(named(r#"{"n":1}"#).as_deref(), Some(r#"{"n":1,"model":"m-2"}"#));
        assert_eq!(named(r#"{"model":"m-2"}"#), None);
    }

    fn found_in(event: &str) -> Injected {
        injected(&Data::of(event.as_bytes()))
    }

    #[test]
    fn only_what_was_asked_for_is_found_in_the_answer() {
        assert_eq!(found_in("data: {\"choices\":[],\"usage\":{\"total_tokens\":1}}\n\n"), Injected::Event);
        assert_eq!(found_in("data: {\"choices\":[ ],\"usage\":{}}\n\n"), Injected::Event);
        assert_eq!(
            found_in("data: {\"choices\":[{}],\"usage\":{\"total_tokens\":1}}\n\n"),
            Injected::Nothing
        );
        assert_eq!(found_in("data: {\"choices\":[{\"usage\":null}]}\n\n"), Injected::Nothing);
        assert_eq!(found_in("data: {\"error\":{\"usage\":null}}\n\n"), Injected::Nothing);
        assert_eq!(found_in("data: [DONE]\n\n"), Injected::Nothing);
        assert_eq!(found_in(": usage\n\n"), Injected::Nothing);
    }

    #[test]
    fn a_filter_chunk_loses_its_usage_and_nothing_else() {
        for usage in ["null", "{\"total_tokens\":1}"] {
            let event =
                format!("data: {{\"choices\":[],\"usage\":{usage},\"prompt_filter_results\":[]}}\n\n");
            let Injected::Bytes(cut) = found_in(&event) else { panic!("{event}") };
            let left = format!("{}{}", &event[..cut.start], &event[cut.end..]);
            assert_eq!(left, "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n");
        }
    }

    #[test]
    fn a_member_is_cut_out_of_several_data_lines() {
        let event = "data: {\"choices\":[{}],\r\ndata:\"usage\":null,\r\ndata: \"id\":1}\r\n\r\n";
        let Injected::Bytes(cut) = found_in(event) else { panic!("nothing found") };
        let left = format!("{}{}", &event[..cut.start], &event[cut.end..]);
        assert_eq!(Data::of(left.as_bytes()).text(), b"{\"choices\":[{}],\n\"id\":1}");
    }
}
