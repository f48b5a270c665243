//! Compiles the `.proto` files with protox, so that no `protoc` is needed.

use std::path::PathBuf;

const FILES: [&str; 12] = [
    "weir/usage/v1/usage.proto",
    "weir/quota/v1/admission.proto",
    "weir/quota/v1/events.proto",
    "weir/governance/v1/policy.proto",
    "weir/governance/v1/governance.proto",
    "weir/governance/v1/simulation.proto",
    "weir/storage/v1/storage.proto",
    "weir/storage/v1/snapshot.proto",
    "weir/storage/v1/wal.proto",
    "envoy/config/core/v3/base.proto",
    "envoy/extensions/common/ratelimit/v3/ratelimit.proto",
    "envoy/service/ratelimit/v3/rls.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out: PathBuf = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?.into();
    std::fs::write(out.join("descriptors.bin"), prost_bytes(&descriptors))?;
    tonic_prost_build::configure()
        .codec_path("crate::framing::Framing")
        .bytes(".weir.storage")
        .bytes(".weir.quota.v1.Settled")
        .bytes(".weir.quota.v1.SliceDrawn")
        .bytes(".weir.quota.v1.SliceHolder")
        .bytes(".weir.quota.v1.IntendedStep")
        .bytes(".weir.quota.v1.Outstanding")
        .bytes(".weir.quota.v1.SessionReserve")
        .bytes(".weir.quota.v1.SessionSettle")
        .bytes(".weir.quota.v1.SessionDecision")
        .bytes(".weir.quota.v1.SessionDraw")
        .bytes(".weir.quota.v1.SessionRelease")
        .compile_fds(descriptors)?;
    Ok(())
}

fn prost_bytes(descriptors: &impl prost::Message) -> Vec<u8> {
    descriptors.encode_to_vec()
}
