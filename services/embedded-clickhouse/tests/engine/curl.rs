//! `curl`, and whatever asks for JSON as Grafana does.

use std::io::Read;

use crate::support::{curl, raw, shared_url};

crate::tests![
    ping_answers,
    a_statement_comes_by_url_by_body_or_by_both,
    formats_are_named_by_statement_by_parameter_and_by_header,
    credentials_are_accepted,
    data_is_inserted_in_any_format,
    a_get_changes_nothing,
    grafana_reads_json,
    native_blocks_go_both_ways,
    a_lz4_frame_is_sent_to_who_accepts_it,
    a_client_that_leaves_during_an_insert_inserts_nothing,
    pages_of_other_origins_are_kept_out,
];

fn ping_answers() {
    let answer = curl("/ping", &[]);
    assert_eq!((answer.status, answer.body.as_str()), (200, "Ok.\n"));
    assert_eq!(curl("/", &[]).body, "Ok.\n");
    assert_eq!(curl("/nowhere", &[]).status, 404);
}

fn a_statement_comes_by_url_by_body_or_by_both() {
    assert_eq!(curl("/?query=SELECT+1", &[]).body, "1\n");
    assert_eq!(curl("/", &["-d", "SELECT 2"]).body, "2\n");
    assert_eq!(curl("/?query=SELECT", &["-d", "3"]).body, "3\n");
    assert_eq!(curl("/?query=SELECT+{x:UInt8}%2B1&param_x=3", &[]).body, "4\n");
    assert_eq!(curl("/", &["-F", "query=SELECT {x:String}", "-F", "param_x=5"]).body, "5\n");
    let answer =
        curl("/?query_id=mine&wait_end_of_query=1&database=system", &["-d", "SELECT currentDatabase()"]);
    assert_eq!((answer.body.as_str(), answer.header("X-ClickHouse-Query-Id")), ("system\n", Some("mine")));
}

fn formats_are_named_by_statement_by_parameter_and_by_header() {
    let query = "SELECT number AS n, 'a\"b' AS s FROM numbers(2)";
    let get = |path: &str, format: &str| curl(path, &["-d", &format!("{query} {format}")]);
    assert_eq!(get("/", "").body, "0\ta\"b\n1\ta\"b\n");
    assert_eq!(get("/", "FORMAT CSV").body, "0,\"a\"\"b\"\n1,\"a\"\"b\"\n");
    assert_eq!(get("/?default_format=CSVWithNames", "").body, "\"n\",\"s\"\n0,\"a\"\"b\"\n1,\"a\"\"b\"\n");
    assert_eq!(
        curl("/", &["-H", "X-ClickHouse-Format: JSONEachRow", "-d", "SELECT 1 AS a"]).body,
        "{\"a\":1}\n"
    );
    let answer = get("/?default_format=CSV", "FORMAT JSONCompact");
    assert_eq!(answer.header("X-ClickHouse-Format"), Some("JSONCompact"));
    assert_eq!(answer.header("Content-Type"), Some("application/json; charset=UTF-8"));
    let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&json["rows"], &json["data"][1][1]), (&2.into(), &"a\"b".into()));
    let answer = curl("/", &["-d", "SHOW DATABASES FORMAT TSV"]);
    assert!(answer.body.contains("system\n"), "{}", answer.body);
    assert_eq!(answer.header("Content-Type"), Some("text/tab-separated-values; charset=UTF-8"));
    assert!(curl("/", &["-d", "SELECT 7 GROUP BY 1 WITH TOTALS FORMAT CSV"]).body.starts_with("7\n"));
}

fn credentials_are_accepted() {
    let by_header = ["-H", "X-ClickHouse-User: default", "-H", "X-ClickHouse-Key: x"];
    assert_eq!(curl("/?query=SELECT+1", &by_header).body, "1\n");
    assert_eq!(curl("/?query=SELECT+1", &["-u", "grafana:secret"]).body, "1\n");
    assert_eq!(curl("/?query=SELECT+1&user=a&password=b", &[]).body, "1\n");
}

fn data_is_inserted_in_any_format() {
    let run = |statement: &str| curl("/", &["-d", statement]);
    run("CREATE TABLE default.any (a UInt64, s String) ENGINE = MergeTree ORDER BY a");
    run("INSERT INTO any VALUES (1, 'x;'), (2, toString(1 + 1));");
    run("INSERT INTO any SELECT 3, 'three'");
    curl("/?query=INSERT+INTO+any+FORMAT+CSV", &["--data-binary", "4,\"fo;ur\"\n5,five\n"]);
    curl("/?query=INSERT+INTO+any+(s,a)+VALUES", &["-d", "('six', 6)"]);
    let answer =
        curl("/", &["--data-binary", "INSERT INTO any FORMAT JSONEachRow\n{\"a\":7,\"s\":\"\\u0000;\"}"]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let summary: serde_json::Value =
        serde_json::from_str(answer.header("X-ClickHouse-Summary").unwrap()).unwrap();
    assert_eq!(summary["written_rows"], "1");
    let binary = b"\x08\0\0\0\0\0\0\0\x03\n;\n";
    post("/?query=INSERT+INTO+any+FORMAT+RowBinary", "", binary);
    let found = curl("/?query=SELECT+a,s+FROM+any+ORDER+BY+a+FORMAT+CSV", &[]).body;
    let expected =
        "1,\"x;\"\n2,\"2\"\n3,\"three\"\n4,\"fo;ur\"\n5,\"five\"\n6,\"six\"\n7,\"\0;\"\n8,\"\n;\n\"\n";
    assert_eq!(found, expected);
}

fn a_get_changes_nothing() {
    let answer = curl("/?query=CREATE+TABLE+default.by_get+(a+Int8)+ENGINE=Memory", &[]);
    assert_eq!(answer.header("X-ClickHouse-Exception-Code"), Some("164"));
    assert_eq!(curl("/?query=SELECT+getSetting('max_threads')&max_threads=2&readonly=0", &[]).body, "2\n");
    assert_eq!(curl("/?query=EXISTS+default.by_get", &[]).body, "0\n");
}

fn grafana_reads_json() {
    let query = "SELECT toUInt64(1) AS t, toDecimal64(1.5, 2) AS v FORMAT JSON";
    let path = "/?add_http_cors_header=1&default_format=JSON&max_execution_time=30&database=default";
    let by_body = curl(path, &["-u", "default:", "--data-binary", query]);
    let by_url = curl(path, &["-u", "default:", "-G", "--data-urlencode", &format!("query={query}")]);
    for answer in [by_body, by_url] {
        assert_eq!(answer.header("Content-Type"), Some("application/json; charset=UTF-8"));
        let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(json["meta"][0]["type"], "UInt64");
        assert_eq!((&json["data"][0]["v"], &json["rows"]), (&1.5.into(), &1.into()));
    }
}

/// The body of a plain answer over a socket that the server closes.
fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let url = shared_url();
    let mut stream = std::net::TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let head =
        format!("POST {path} HTTP/1.0\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&answer));
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    answer.split_off(body)
}

/// A native block, made by the book: checksum, method, lengths, LZ4.
fn block(data: &[u8]) -> Vec<u8> {
    let compressed = lz4_flex::block::compress(data);
    let mut body = vec![0x82];
    body.extend(u32::try_from(9 + compressed.len()).unwrap().to_le_bytes());
    body.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    body.extend(compressed);
    let hash = cityhash_rs::cityhash_102_128(&body).rotate_right(64);
    [hash.to_le_bytes().to_vec(), body].concat()
}

fn native_blocks_go_both_ways() {
    let answer = post("/?decompress=1&compress=1", "", &[block(b"SELECT 'ab"), block(b"c'")].concat());
    assert_eq!(answer, block(b"abc\n"));
}

fn a_lz4_frame_is_sent_to_who_accepts_it() {
    let answer = post("/", "Accept-Encoding: gzip, lz4\r\n", b"SELECT number FROM numbers(200000)");
    let mut text = String::new();
    lz4_flex::frame::FrameDecoder::new(&answer[..]).read_to_string(&mut text).unwrap();
    assert_eq!((text.lines().count(), text.lines().last()), (200_000, Some("199999")));
}

fn a_client_that_leaves_during_an_insert_inserts_nothing() {
    curl("/", &["-d", "CREATE TABLE default.left (a UInt64) ENGINE = MergeTree ORDER BY a"]);
    let head = "POST /?query=INSERT+INTO+left+FORMAT+TSV HTTP/1.1\r\nHost: localhost\r\n";
    raw(&shared_url(), format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\n1\n2\n\r\n").as_bytes());
    raw(&shared_url(), format!("{head}Content-Length: 100\r\n\r\n1\n2\n").as_bytes());
    assert_eq!(curl("/?query=SELECT+count()+FROM+left", &[]).body, "0\n");
    post("/?query=INSERT+INTO+left+FORMAT+TSV", "", b"1\n2\n");
    assert_eq!(curl("/?query=SELECT+count()+FROM+left", &[]).body, "2\n");
}

fn pages_of_other_origins_are_kept_out() {
    assert_eq!(curl("/?query=SELECT+1", &["-H", "Origin: https://evil.example"]).status, 403);
    assert_eq!(curl("/?query=SELECT+1", &["-H", "Host: evil.example"]).status, 403);
}
