//! Results larger than memory.

use clickhouse::Client;

use crate::support::{Engine, block_on, memory_kib};

crate::tests![a_large_result_is_streamed, a_client_that_leaves_ends_its_query];

/// What streaming may add to the engine's memory: a few chunks on their way.
const GROWTH_KIB_MAX: u64 = 100 * 1024;

async fn read_all(client: &Client, format: &str) -> u64 {
    let query = client.query("SELECT number FROM numbers(20000000) SETTINGS max_memory_usage = 50000000");
    let mut cursor = query.fetch_bytes(format).expect("it is asked");
    let mut bytes = 0;
    while let Some(chunk) = cursor.next().await.expect("it goes on") {
        bytes += chunk.len() as u64;
    }
    bytes
}

fn a_large_result_is_streamed() {
    block_on(async {
        let engine = Engine::start().await;
        let pid = *engine.supervisor.pid().borrow();
        let client = engine.client();
        client.query("SELECT 1").execute().await.unwrap();
        let before = memory_kib(pid, "VmRSS");
        assert_eq!(read_all(&client, "RowBinary").await, 160_000_000);
        let names = 1 + (1 + 6) + (1 + 6);
        assert_eq!(read_all(&client, "RowBinaryWithNamesAndTypes").await, 160_000_000 + names);
        let most = memory_kib(pid, "VmHWM");
        assert!(most < before + GROWTH_KIB_MAX, "{before} KiB grew to {most} KiB");
        println!("resident {before} KiB before, at most {most} KiB while 2 × 160 MB were streamed");
    });
}

fn a_client_that_leaves_ends_its_query() {
    block_on(async {
        let engine = Engine::start().await;
        let client = engine.client();
        // More of them than the engine has threads: if one stayed, the last could not be answered.
        for _ in 0..20 {
            let mut cursor = client.query("SELECT number FROM system.numbers").fetch::<u64>().unwrap();
            assert_eq!(cursor.next().await.unwrap(), Some(0));
        }
        assert_eq!(client.query("SELECT 7").fetch_one::<u8>().await.unwrap(), 7);
    });
}
