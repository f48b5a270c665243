//! Generated from the `.proto` files, which document it.
#![expect(missing_docs, clippy::pedantic, clippy::allow_attributes, reason = "generated")]

/// `weir/usage`.
pub mod usage {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("weir.usage.v1");
    }
}

/// `weir/quota`.
pub mod quota {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("weir.quota.v1");
    }
}

/// `weir/governance`.
pub mod governance {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("weir.governance.v1");
    }
}

/// `weir/storage`.
pub mod storage {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("weir.storage.v1");
    }
}
