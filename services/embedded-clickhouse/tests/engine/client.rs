//! The official `clickhouse` client, with validation and LZ4 on.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::support::{block_on, client_in};

crate::tests![
    typed_rows_come_back_as_they_were_inserted,
    a_cursor_reads_row_by_row,
    values_are_bound_by_the_client_and_by_the_server,
    settings_of_a_request_count_for_that_request_only,
    the_same_token_twice_inserts_once,
    an_insert_that_is_given_up_inserts_nothing,
    summaries_say_what_was_written,
];

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Everything {
    id: u64,
    cost: i128,
    at: i64,
    team: String,
    model: String,
    region: Option<String>,
    limit: Option<u32>,
    tags: Vec<(String, u64)>,
    parts: Vec<String>,
}

const EVERYTHING: &str = "CREATE TABLE everything (
    id UInt64, cost Decimal(38, 12), at DateTime64(9, 'UTC'), team String, model LowCardinality(String),
    region LowCardinality(Nullable(String)), limit Nullable(UInt32), tags Map(String, UInt64), parts Array(String)
) ENGINE = MergeTree ORDER BY id";

fn everything(id: u64) -> Everything {
    Everything {
        id,
        cost: 12_345_678_901_234_567_890_123_456_789 + i128::from(id),
        at: 1_795_000_000_123_456_789,
        team: format!("a;b\0c\n'd' \\ ; {id}"),
        model: format!("gpt-{}", id % 3),
        region: id.is_multiple_of(2).then(|| "we;st".to_owned()),
        limit: id.is_multiple_of(3).then_some(7),
        tags: vec![("k".to_owned(), id), (";".to_owned(), u64::MAX)],
        parts: vec![String::new(), "x;\n".to_owned()],
    }
}

fn typed_rows_come_back_as_they_were_inserted() {
    block_on(async {
        let client = client_in("typed").await;
        client.query(EVERYTHING).execute().await.unwrap();
        // More than one block of the client's compression.
        let rows: Vec<_> = (0..20_000).map(everything).collect();
        let mut insert = client.insert::<Everything>("everything").await.unwrap();
        for row in &rows {
            insert.write(row).await.unwrap();
        }
        insert.end().await.unwrap();
        let found =
            client.query("SELECT ?fields FROM everything ORDER BY id").fetch_all::<Everything>().await;
        assert!(found.unwrap() == rows);
        let total =
            client.query("SELECT toString(sum(cost)) FROM everything").fetch_one::<String>().await.unwrap();
        assert_eq!(total, "246913578024691357802.46933577");
    });
}

fn a_cursor_reads_row_by_row() {
    block_on(async {
        let client = client_in("cursor").await;
        let query = "SELECT number, toString(number) FROM numbers(300000) ORDER BY number";
        let mut cursor = client.query(query).fetch::<(u64, String)>().unwrap();
        let mut expected = 0;
        while let Some((number, text)) = cursor.next().await.unwrap() {
            assert_eq!((number, text), (expected, expected.to_string()));
            expected += 1;
        }
        assert_eq!(expected, 300_000);
        let none = client.query("SELECT number FROM numbers(0)").fetch_optional::<u64>().await.unwrap();
        assert_eq!(none, None);
    });
}

fn values_are_bound_by_the_client_and_by_the_server() {
    block_on(async {
        let client = client_in("bound").await;
        let bound = client.query("SELECT concat(?, '-', toString(?))").bind("it's; \\").bind(7_u64);
        assert_eq!(bound.fetch_one::<String>().await.unwrap(), "it's; \\-7");
        let query =
            client.query("SELECT {text:String}, toString({list:Array(UInt64)})").param("text", "a'b;\n\t\\c");
        let found = query.param("list", vec![1_u64, 2]).fetch_one::<(String, String)>().await.unwrap();
        assert_eq!(found, ("a'b;\n\t\\c".to_owned(), "[1,2]".to_owned()));
    });
}

fn settings_of_a_request_count_for_that_request_only() {
    block_on(async {
        let client = client_in("settings").await;
        let threads = "SELECT toString(getSetting('max_threads')), currentDatabase()";
        let with = client.clone().with_setting("max_threads", "3").query(threads);
        let (first, database) = with.fetch_one::<(String, String)>().await.unwrap();
        assert_eq!((first.as_str(), database.as_str()), ("3", "settings"));
        let (second, _) = client.query(threads).fetch_one::<(String, String)>().await.unwrap();
        assert_ne!(second, "3");
        let readonly = client.query("CREATE TABLE t (a Int8) ENGINE = Memory").with_setting("readonly", "1");
        let refused = readonly.execute().await.unwrap_err().to_string();
        assert!(refused.contains("READONLY"), "{refused}");
        let unknown =
            client.query("SELECT 1").with_setting("no_such_setting", "1").execute().await.unwrap_err();
        assert!(unknown.to_string().contains("Code: 115."), "{unknown}");
    });
}

#[derive(Row, Serialize)]
struct Number {
    a: u64,
}

async fn insert_numbers(client: &clickhouse::Client, token: &str, count: u64) {
    let insert = client.insert::<Number>("numbers").await.unwrap();
    let mut insert =
        insert.with_setting("insert_deduplication_token", token).with_setting("async_insert", "0");
    for a in 0..count {
        insert.write(&Number { a }).await.unwrap();
    }
    insert.end().await.unwrap();
}

async fn count(client: &clickhouse::Client) -> u64 {
    client.query("SELECT count() FROM numbers").fetch_one::<u64>().await.unwrap()
}

fn the_same_token_twice_inserts_once() {
    block_on(async {
        let client = client_in("tokens").await;
        let table = "CREATE TABLE numbers (a UInt64) ENGINE = MergeTree ORDER BY a
            SETTINGS non_replicated_deduplication_window = 10000";
        client.query(table).execute().await.unwrap();
        for (token, expected) in [("one", 1000), ("one", 1000), ("two", 2000), ("one", 2000)] {
            insert_numbers(&client, token, 1000).await;
            assert_eq!(count(&client).await, expected, "{token}");
        }
    });
}

fn an_insert_that_is_given_up_inserts_nothing() {
    block_on(async {
        let client = client_in("given_up").await;
        client
            .query("CREATE TABLE numbers (a UInt64) ENGINE = MergeTree ORDER BY a")
            .execute()
            .await
            .unwrap();
        let mut insert = client.insert::<Number>("numbers").await.unwrap();
        for a in 0..200_000 {
            insert.write(&Number { a }).await.unwrap();
        }
        drop(insert);
        insert_numbers(&client, "", 1).await;
        assert_eq!(count(&client).await, 1);
    });
}

fn summaries_say_what_was_written() {
    block_on(async {
        let client = client_in("summaries").await;
        client
            .query("CREATE TABLE numbers (a UInt64) ENGINE = MergeTree ORDER BY a")
            .execute()
            .await
            .unwrap();
        insert_numbers(&client, "", 10).await;
        let cursor = client.query("SELECT a FROM numbers").fetch::<u64>().unwrap();
        let mut cursor = cursor;
        assert!(cursor.next().await.unwrap().is_some());
        let summary = cursor.summary().expect("there is a summary");
        assert_eq!(summary.read_rows(), Some(10));
    });
}
