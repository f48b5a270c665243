//! What kind of statement a text is, as far as serving it depends on that.
//!
//! Finds where the data of an `INSERT` begins, which format is asked for, and what ClickHouse's HTTP interface does
//! not allow. Everything else about the text is for the engine to judge.

mod tokens;

use crate::exception::{Exception, INTO_OUTFILE_NOT_ALLOWED, NOT_IMPLEMENTED, SYNTAX_ERROR};
use tokens::{Kind, Token, Tokens};

/// How a statement is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Statement {
    /// A query whose result can come in chunks; with the format it names.
    Select {
        /// From its `FORMAT` clause.
        format: Option<String>,
    },
    /// A statement that is answered at once, if with anything; with the format it names.
    Command {
        /// From its `FORMAT` clause.
        format: Option<String>,
    },
    /// An `INSERT` with data.
    Insert {
        /// Where the statement ends, its `FORMAT` or `VALUES` excluded.
        end: usize,
        /// The format of the data; `None` if the statement does not say.
        format: Option<String>,
        /// Where the data begins.
        data: usize,
    },
}

/// Reads the beginning of a text, as far as it is SQL.
pub(crate) fn parse(text: &[u8]) -> Result<Statement, Exception> {
    let mut tokens = Tokens::new(text);
    let Some(first) = tokens.clone().find(|token| token.kind != Kind::Symbol(b'(')) else {
        return Err(Exception::new(SYNTAX_ERROR, "Empty query"));
    };
    let first = &text[first.start..first.end];
    if is(first, "INSERT") {
        return insert(text, &mut tokens);
    }
    let statement = Outline::read(text, tokens)?;
    let format = statement.format;
    let selects = is(first, "SELECT") || is(first, "FROM") || (is(first, "WITH") && !statement.inserts);
    // The engine would end each chunk with totals of its own.
    if selects && !statement.totals {
        Ok(Statement::Select { format })
    } else {
        Ok(Statement::Command { format })
    }
}

fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}

fn text_of<'a>(text: &'a [u8], token: &Token) -> &'a [u8] {
    &text[token.start..token.end]
}

/// Finds where an `INSERT`'s data begins, or that it brings none but selects it.
fn insert(text: &[u8], tokens: &mut Tokens<'_>) -> Result<Statement, Exception> {
    let mut names_table = false;
    let mut last_end = 0;
    while let Some(token) = tokens.next() {
        let word = text_of(text, &token);
        let keyword = token.kind == Kind::Word && token.depth == 0 && !names_table;
        if keyword && is(word, "FORMAT") {
            let name = tokens.next().filter(|name| name.kind == Kind::Word);
            let name =
                name.ok_or_else(|| Exception::new(SYNTAX_ERROR, "FORMAT is not followed by a name"))?;
            let format = Some(String::from_utf8_lossy(text_of(text, &name)).into_owned());
            return Ok(Statement::Insert { end: token.start, format, data: data_start(text, name.end) });
        }
        if keyword && is(word, "VALUES") {
            return Ok(Statement::Insert {
                end: token.start,
                format: Some("Values".to_owned()),
                data: token.end,
            });
        }
        if keyword
            && is(word, "FROM")
            && tokens.clone().next().is_some_and(|next| is(text_of(text, &next), "INFILE"))
        {
            return Err(Exception::new(NOT_IMPLEMENTED, "FROM INFILE is not for the HTTP interface"));
        }
        if is(word, "SELECT") || (keyword && (is(word, "WITH") || is(word, "FROM"))) {
            let Outline { format, .. } = Outline::read(text, Tokens::new(text))?;
            return Ok(Statement::Command { format });
        }
        names_table = is(word, "INTO") || is(word, "TABLE") || word == b".";
        last_end = token.end;
    }
    Ok(Statement::Insert { end: last_end, format: None, data: text.len() })
}

/// Data begins after the spaces that follow the format's name and after one line end (`ParserInsertQuery.cpp`).
fn data_start(text: &[u8], name_end: usize) -> usize {
    let mut at = name_end;
    while matches!(text.get(at), Some(b' ' | b'\t' | 0x0C)) {
        at += 1;
    }
    match text[at..] {
        [b'\r', b'\n', ..] => at + 2,
        [b'\n', ..] => at + 1,
        _ => at,
    }
}

/// What stands outside of brackets in a statement that brings no data.
#[derive(Debug, Default)]
struct Outline {
    format: Option<String>,
    inserts: bool,
    totals: bool,
}

impl Outline {
    fn read(text: &[u8], tokens: Tokens<'_>) -> Result<Self, Exception> {
        let mut outline = Self::default();
        let mut tokens = tokens.filter(|token| token.depth == 0).peekable();
        let mut before: &[u8] = b"";
        while let Some(token) = tokens.next() {
            let word = text_of(text, &token);
            let next = tokens.peek();
            if word == b";" && next.is_some_and(|next| text_of(text, next) != b";") {
                return Err(Exception::new(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed)"));
            }
            if is(before, "INTO") && is(word, "OUTFILE") {
                return Err(Exception::new(INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed"));
            }
            if is(word, "FORMAT") && next.is_some_and(|next| next.kind == Kind::Word) && before != b"." {
                let after = tokens.next().map_or(token, |name| name);
                if tokens.peek().is_none_or(|next| ends_format(text_of(text, next))) {
                    outline.format = Some(String::from_utf8_lossy(text_of(text, &after)).into_owned());
                }
            }
            outline.inserts |= is(word, "INSERT");
            outline.totals |= is(before, "WITH") && is(word, "TOTALS");
            before = word;
        }
        Ok(outline)
    }
}

/// Whether a `FORMAT` clause can be followed by this.
fn ends_format(word: &[u8]) -> bool {
    word == b";" || is(word, "SETTINGS")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(format: Option<&str>) -> Statement {
        Statement::Select { format: format.map(str::to_owned) }
    }

    fn command(format: Option<&str>) -> Statement {
        Statement::Command { format: format.map(str::to_owned) }
    }

    /// The statement without its format, the format, the data.
    fn split(text: &str) -> (&str, Option<String>, &str) {
        match parse(text.as_bytes()).expect("it parses") {
            Statement::Insert { end, format, data } => (text[..end].trim_end(), format, &text[data..]),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn selects_stream_and_commands_do_not() {
        assert_eq!(parse(b"select 1").unwrap(), select(None));
        assert_eq!(parse(b"-- x\n(SELECT 1) UNION ALL (SELECT 2) FORMAT CSV;").unwrap(), select(Some("CSV")));
        assert_eq!(parse(b"WITH 1 AS x SELECT x FORMAT JSON SETTINGS a=1").unwrap(), select(Some("JSON")));
        assert_eq!(parse(b"FROM numbers(2) SELECT number").unwrap(), select(None));
        assert_eq!(parse(b"WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x").unwrap(), command(None));
        assert_eq!(parse(b"SELECT a, count() FROM t GROUP BY a WITH TOTALS").unwrap(), command(None));
        assert_eq!(parse(b"SHOW TABLES FORMAT TSV").unwrap(), command(Some("TSV")));
    }

    #[test]
    fn a_column_named_format_is_not_a_format() {
        assert_eq!(parse(b"SELECT format FROM t").unwrap(), select(None));
        assert_eq!(parse(b"SELECT t.format x FROM t").unwrap(), select(None));
        assert_eq!(parse(b"SELECT 'FORMAT JSON'").unwrap(), select(None));
    }

    #[test]
    fn data_begins_where_clickhouse_says() {
        let format = |name: &str| Some(name.to_owned());
        assert_eq!(
            split("INSERT INTO t(a, b) FORMAT CSV \n1,2"),
            ("INSERT INTO t(a, b)", format("CSV"), "1,2")
        );
        assert_eq!(split("INSERT INTO t FORMAT TSV\r\n;\n"), ("INSERT INTO t", format("TSV"), ";\n"));
        assert_eq!(
            split("insert into t values (1, 'a;b')"),
            ("insert into t", format("Values"), " (1, 'a;b')")
        );
        assert_eq!(
            split("INSERT INTO TABLE values FORMAT Null"),
            ("INSERT INTO TABLE values", format("Null"), "")
        );
        assert_eq!(
            split("INSERT INTO a.format SETTINGS x=1 FORMAT TSV 1"),
            ("INSERT INTO a.format SETTINGS x=1", format("TSV"), "1")
        );
        assert_eq!(split("INSERT INTO t (a)\n"), ("INSERT INTO t (a)", None, ""));
    }

    #[test]
    fn an_insert_that_selects_brings_no_data() {
        assert_eq!(parse(b"INSERT INTO t SELECT 1").unwrap(), command(None));
        assert_eq!(parse(b"INSERT INTO t (SELECT 1)").unwrap(), command(None));
        assert_eq!(parse(b"INSERT INTO t WITH 1 AS x SELECT x").unwrap(), command(None));
    }

    #[test]
    fn what_http_does_not_allow_is_refused() {
        let code = |text: &str| parse(text.as_bytes()).map_err(|exception| exception.code);
        assert_eq!(code("SELECT 1; SELECT 2"), Err(62));
        assert_eq!(code("  -- nothing"), Err(62));
        assert_eq!(code("SELECT 1 INTO OUTFILE '/tmp/x'"), Err(358));
        assert_eq!(code("INSERT INTO t FROM INFILE 'x' FORMAT CSV"), Err(48));
        assert!(code("SELECT 1;;").is_ok());
    }
}
