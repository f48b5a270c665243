//! `multipart/form-data` bodies, in which clients send statements with parameters that are too long for a URL.
//!
//! Fields only: ClickHouse takes a file as an external table, which the embedded engine does not serve.

use bytes::Bytes;

use crate::exception::{BAD_ARGUMENTS, Exception, NOT_IMPLEMENTED};

/// The boundary in a `Content-Type`, if it announces a form.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, rest) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    rest.split(';').find_map(|item| item.trim().strip_prefix("boundary=")).map(|name| name.trim_matches('"'))
}

/// The fields of a form: names and values.
pub(super) fn fields(body: &Bytes, boundary: &str) -> Result<Vec<(String, String)>, Exception> {
    let malformed = || Exception::new(BAD_ARGUMENTS, "malformed multipart/form-data");
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(&delimiter.as_bytes()[2..]).ok_or_else(malformed)?;
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        let part = rest.strip_prefix(b"\r\n").ok_or_else(malformed)?;
        let head_end = find(part, b"\r\n\r\n").ok_or_else(malformed)?;
        let name = field_name(&part[..head_end])?;
        let value = &part[head_end + 4..];
        let value_end = find(value, delimiter.as_bytes()).ok_or_else(malformed)?;
        let text = std::str::from_utf8(&value[..value_end]).map_err(|_| malformed())?;
        fields.push((name, text.to_owned()));
        rest = &value[value_end + delimiter.len()..];
    }
    Ok(fields)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// The name in `Content-Disposition: form-data; name="…"`.
fn field_name(head: &[u8]) -> Result<String, Exception> {
    let head = String::from_utf8_lossy(head);
    let disposition = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(header, _)| header.eq_ignore_ascii_case("content-disposition"))
        .map(|(_, value)| value);
    let attribute = |name: &str| {
        let items = disposition.into_iter().flat_map(|value| value.split(';'));
        items
            .filter_map(|item| item.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    };
    if attribute("filename").is_some() {
        return Err(Exception::new(NOT_IMPLEMENTED, "external tables are not served by the embedded engine"));
    }
    let name =
        attribute("name").ok_or_else(|| Exception::new(BAD_ARGUMENTS, "a form's field has no name"))?;
    Ok(name.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_out_as_they_were_put_in() {
        let body = Bytes::from_static(
            b"--B\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT\r\n--1\r\n--B\r\n\
              Content-Disposition: form-data; name=\"param_x\"\r\n\r\n\r\n--B--\r\n",
        );
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [pair("query", "SELECT\r\n--1"), pair("param_x", "")];
        assert_eq!(fields(&body, "B").unwrap(), expected);
    }

    #[test]
    fn a_form_that_is_cut_short_is_refused() {
        let body = b"--B\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\nx\r\n--B--\r\n";
        for end in 0..body.len() - 4 {
            assert!(fields(&Bytes::copy_from_slice(&body[..end]), "B").is_err(), "{end}");
        }
    }

    #[test]
    fn only_forms_have_a_boundary() {
        assert_eq!(boundary("multipart/form-data; boundary=\"x y\""), Some("x y"));
        assert_eq!(boundary("text/plain; boundary=x"), None);
    }
}
