//! One statement in one session: set it up, run it, hand over what comes out.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{About, Piece, Run, Statement};
use crate::exception::{Exception, UNKNOWN_SETTING};
use crate::ffi::{Call, Connection, Counts};
use crate::format::Header;

/// Bytes of data handed to the engine at a time: it copies them, and waits while it has enough.
const APPEND_BYTES: usize = 1 << 20;

/// Asks the engine for its version and its time zone.
pub(super) fn about(connection: &mut Connection) -> Result<About, String> {
    let call = Call { sql: b"SELECT version(), timezone()", format: "TabSeparated", params: &[] };
    let answer = connection.query(call)?;
    let text = String::from_utf8_lossy(answer.as_ref()).into_owned();
    let (version, timezone) = text.trim_end().split_once('\t').ok_or("not two columns")?;
    Ok(About { version: version.to_owned(), timezone: timezone.to_owned() })
}

/// Runs a statement to its end, or until nobody wants the answer any more.
pub(super) fn run(
    connection: &mut Connection,
    statement: &Statement,
    answer: &mpsc::Sender<Piece>,
) -> Result<Counts, Exception> {
    prepare(connection, statement)?;
    let call = Call { sql: &statement.sql, format: &statement.format, params: &statement.params };
    match &statement.run {
        Run::Stream(header) => stream(connection, call, *header, answer),
        Run::Whole => whole(connection, call, answer),
        Run::Insert { format, data } => insert(connection, Call { format, ..call }, data),
    }
    .map_err(|error| Exception::from_engine(&error))
}

/// Makes the session what the statement wants.
fn prepare(connection: &mut Connection, statement: &Statement) -> Result<(), Exception> {
    if let Some(database) = &statement.database {
        command(connection, &format!("USE {}", identifier(database)))?;
    }
    if !statement.settings.is_empty() {
        command(connection, &set(&statement.settings)?)?;
    }
    Ok(())
}

fn command(connection: &mut Connection, sql: &str) -> Result<(), Exception> {
    let call = Call { sql: sql.as_bytes(), format: "Null", params: &[] };
    connection.query(call).map(drop).map_err(|error| Exception::from_engine(&error))
}

fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// `SET a = 'x', b = 'y'`. The engine turns the text into the setting's type.
fn set(settings: &[(String, String)]) -> Result<String, Exception> {
    let assignments: Result<Vec<_>, Exception> = settings
        .iter()
        .map(|(name, value)| {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(Exception::new(UNKNOWN_SETTING, format_args!("Unknown setting {name:?}")));
            }
            Ok(format!("{name} = '{}'", value.replace('\\', "\\\\").replace('\'', "\\'")))
        })
        .collect();
    Ok(format!("SET {}", assignments?.join(", ")))
}

fn stream(
    connection: &mut Connection,
    call: Call<'_>,
    header: Header,
    answer: &mpsc::Sender<Piece>,
) -> Result<Counts, String> {
    let mut rows = connection.stream(call)?;
    let mut counts = Counts::default();
    let mut first = true;
    while let Some(chunk) = rows.next()? {
        counts += chunk.counts();
        let skip = if first { 0 } else { header.length(chunk.as_ref()) };
        first = false;
        let piece = Bytes::from_owner(chunk).slice(skip..);
        if answer.blocking_send(Piece::Rows(piece, counts)).is_err() {
            break;
        }
    }
    Ok(counts)
}

fn whole(
    connection: &mut Connection,
    call: Call<'_>,
    answer: &mpsc::Sender<Piece>,
) -> Result<Counts, String> {
    let chunk = connection.query(call)?;
    let counts = chunk.counts();
    if !chunk.as_ref().is_empty() {
        // An error here means that the client has left; the statement is done all the same.
        let _ = answer.blocking_send(Piece::Rows(Bytes::from_owner(chunk), counts));
    }
    Ok(counts)
}

fn insert(connection: &mut Connection, call: Call<'_>, data: &[u8]) -> Result<Counts, String> {
    let mut insert = connection.insert(call)?;
    for part in data.chunks(APPEND_BYTES) {
        if !insert.append(part) {
            break;
        }
    }
    insert.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_setting_cannot_smuggle_another() {
        let sql = set(&settings(&[("max_threads", "1"), ("log_comment", "x', readonly = 0 -- \\")])).unwrap();
        assert_eq!(sql, "SET max_threads = '1', log_comment = 'x\\', readonly = 0 -- \\\\'");
        assert_eq!(set(&settings(&[("a = 1, b", "2")])).unwrap_err().code, 115);
    }

    #[test]
    fn a_database_name_is_quoted() {
        assert_eq!(identifier("a`b\\c"), "`a\\`b\\\\c`");
    }
}
