//! Errors, as ClickHouse words and numbers them.

use crate::support::{Answer, block_on, client_in, curl};

crate::tests![
    an_error_has_clickhouses_status_code_and_text,
    what_the_interface_does_not_serve_is_refused,
    an_error_after_the_first_rows_reaches_the_client,
    the_official_client_sees_the_engines_words,
    a_result_that_cannot_be_streamed_is_bounded,
    an_error_leaves_nothing_behind,
];

fn expect(answer: &Answer, status: u16, code: &str, name: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("X-ClickHouse-Exception-Code"), Some(code));
    let begins = format!("Code: {code}. DB::Exception: ");
    let version = curl("/?query=SELECT+version()", &[]).body;
    let ends = format!("({name}) (version {})\n", version.trim());
    assert!(answer.body.starts_with(&begins) && answer.body.ends_with(&ends), "{}", answer.body);
}

fn an_error_has_clickhouses_status_code_and_text() {
    let get = |query: &str| curl("/", &["-d", query]);
    expect(&get("SELECT * FROM nowhere"), 404, "60", "UNKNOWN_TABLE");
    expect(&get("SELECT nothing"), 404, "47", "UNKNOWN_IDENTIFIER");
    expect(&get("SELEC 1"), 400, "62", "SYNTAX_ERROR");
    expect(&get("SELECT throwIf(1)"), 500, "395", "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO");
    expect(&get("SELECT 1 FORMAT Nonsense"), 404, "73", "UNKNOWN_FORMAT");
    expect(&get("SELECT {x:UInt8}"), 500, "456", "UNKNOWN_QUERY_PARAMETER");
    expect(&curl("/?query=SELECT+1&database=nowhere", &[]), 404, "81", "UNKNOWN_DATABASE");
    expect(&curl("/?query=SELECT+1&nonsense=1", &[]), 404, "115", "UNKNOWN_SETTING");
    get("CREATE TABLE default.strict (a UInt64) ENGINE = MergeTree ORDER BY a");
    let answer = curl("/?query=INSERT+INTO+strict+FORMAT+CSV", &["--data-binary", "1\nx\n"]);
    expect(&answer, 400, "117", "INCORRECT_DATA");
    expect(&get("INSERT INTO strict FORMAT CSV"), 400, "108", "NO_DATA_TO_INSERT");
    assert_eq!(get("SELECT count() FROM strict").body, "0\n");
}

fn what_the_interface_does_not_serve_is_refused() {
    expect(&curl("/", &["-d", "SELECT 1; SELECT 2"]), 400, "62", "SYNTAX_ERROR");
    expect(&curl("/", &["-d", "SELECT 1 INTO OUTFILE '/tmp/x'"]), 400, "358", "INTO_OUTFILE_NOT_ALLOWED");
    expect(&curl("/?session_id=1", &["-d", "SELECT 1"]), 501, "48", "NOT_IMPLEMENTED");
    let gzip = curl("/", &["-H", "Content-Encoding: gzip", "-d", "SELECT 1"]);
    expect(&gzip, 415, "763", "UNSUPPORTED_MEDIA_TYPE");
    expect(&curl("/?decompress=1", &["-d", "SELECT 1 and so on and so on"]), 400, "271", "CANNOT_DECOMPRESS");
}

/// Fails in a late chunk, so that rows have left before.
const FAILS_LATE: &str = "SELECT throwIf(number = 5000000) FROM numbers(10000000) SETTINGS max_threads = 1";

fn an_error_after_the_first_rows_reaches_the_client() {
    let answer = curl("/", &["-d", FAILS_LATE]);
    assert_eq!((answer.status, answer.body.starts_with("0\n0\n")), (200, true));
    let tag = answer.header("X-ClickHouse-Exception-Tag").expect("the tag is announced");
    assert!(
        answer.body.ends_with(&format!(" {tag}\r\n__exception__\r\n")),
        "{}",
        &answer.body[answer.body.len() - 300..]
    );
    assert!(answer.body.contains("Code: 395. DB::Exception: "));
}

fn the_official_client_sees_the_engines_words() {
    block_on(async {
        let client = client_in("words").await;
        let error = client.query("SELECT * FROM nowhere").fetch_all::<u8>().await.unwrap_err().to_string();
        assert!(error.contains("Code: 60. DB::Exception: ") && error.contains("nowhere"), "{error}");
        let late = client.query(FAILS_LATE).fetch_all::<u8>().await.unwrap_err().to_string();
        assert!(late.contains("Code: 395. DB::Exception: "), "{late}");
    });
}

fn a_result_that_cannot_be_streamed_is_bounded() {
    let answer = curl("/", &["-d", "SELECT number FROM numbers(100000000) FORMAT JSON"]);
    expect(&answer, 500, "396", "TOO_MANY_ROWS_OR_BYTES");
    let answer = curl("/?wait_end_of_query=1", &["-d", "SELECT number FROM numbers(20000000)"]);
    expect(&answer, 500, "396", "TOO_MANY_ROWS_OR_BYTES");
}

fn an_error_leaves_nothing_behind() {
    // In one and the same session the engine would send the rest of the first answer as the second.
    curl("/?max_result_bytes=1000", &["-d", "SELECT number FROM numbers(1000000) FORMAT JSON"]);
    for _ in 0..10 {
        assert_eq!(curl("/?query=SELECT+1", &[]).body, "1\n");
    }
}
