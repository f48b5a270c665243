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

/// `envoy`: the part of Envoy's interface that is served, in the modules of its packages, because they name each other.
pub mod envoy {
    /// `envoy/config`.
    pub mod config {
        /// `envoy/config/core`.
        pub mod core {
            /// Version 3.
            pub mod v3 {
                tonic::include_proto!("envoy.config.core.v3");
            }
        }
    }

    /// `envoy/extensions`.
    pub mod extensions {
        /// `envoy/extensions/common`.
        pub mod common {
            /// `envoy/extensions/common/ratelimit`.
            pub mod ratelimit {
                /// Version 3.
                pub mod v3 {
                    tonic::include_proto!("envoy.extensions.common.ratelimit.v3");
                }
            }
        }
    }

    /// `envoy/service`.
    pub mod service {
        /// `envoy/service/ratelimit`.
        pub mod ratelimit {
            /// Version 3.
            pub mod v3 {
                tonic::include_proto!("envoy.service.ratelimit.v3");
            }
        }
    }
}
