//! What the fake quota service says of governance: the directory, and nothing else.

use std::pin::Pin;

use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};
use weir_proto::codec::directory_to_wire;
use weir_proto::governance::v1 as wire;
use weir_proto::governance::v1::governance_service_server::GovernanceService;

use crate::quota::FakeQuota;

macro_rules! only_the_directory {
    ($($method:ident($request:ident) -> $response:ident)*) => {
        #[tonic::async_trait]
        impl GovernanceService for FakeQuota {
            type WatchDirectoryStream = Pin<Box<dyn Stream<Item = Result<wire::Directory, Status>> + Send + 'static>>;

            async fn watch_directory(
                &self,
                request: Request<wire::WatchDirectoryRequest>,
            ) -> Result<Response<Self::WatchDirectoryStream>, Status> {
                self.check_present(request.metadata())?;
                let changes = WatchStream::new(self.directories());
                Ok(Response::new(Box::pin(changes.map(|directory| Ok(directory_to_wire(&directory))))))
            }

            type SimulateStream = tokio_stream::Empty<Result<wire::SimulateResponse, Status>>;

            async fn simulate(
                &self,
                _: Request<wire::SimulateRequest>,
            ) -> Result<Response<Self::SimulateStream>, Status> {
                Err(Status::unimplemented("not in these tests"))
            }

            $(async fn $method(&self, _: Request<wire::$request>) -> Result<Response<wire::$response>, Status> {
                Err(Status::unimplemented("not in these tests"))
            })*
        }
    };
}

only_the_directory! {
    apply_policy(ApplyPolicyRequest) -> ApplyPolicyResponse
    export_policy(ExportPolicyRequest) -> ExportPolicyResponse
    request_burst(RequestBurstRequest) -> BurstResponse
    approve_burst(ApproveBurstRequest) -> BurstResponse
    deny_burst(DecideBurstRequest) -> BurstResponse
    revoke_burst(DecideBurstRequest) -> BurstResponse
    extend_burst(ExtendBurstRequest) -> BurstResponse
    forgive_debt(ForgiveDebtRequest) -> ForgiveDebtResponse
    list_bursts(ListBurstsRequest) -> ListBurstsResponse
    list_holds(ListHoldsRequest) -> ListHoldsResponse
    list_decisions(ListDecisionsRequest) -> ListDecisionsResponse
    grant_exception(GrantExceptionRequest) -> GrantExceptionResponse
    end_exception(EndExceptionRequest) -> EndExceptionResponse
    list_exceptions(ListExceptionsRequest) -> ListExceptionsResponse
    create_caller_key(CreateCallerKeyRequest) -> CreateCallerKeyResponse
    revoke_caller_key(RevokeCallerKeyRequest) -> RevokeCallerKeyResponse
    list_caller_keys(ListCallerKeysRequest) -> ListCallerKeysResponse
    rotate_caller_key(RotateCallerKeyRequest) -> RotateCallerKeyResponse
    create_access_key(CreateAccessKeyRequest) -> CreateAccessKeyResponse
    revoke_access_key(RevokeAccessKeyRequest) -> RevokeAccessKeyResponse
    list_access_keys(ListAccessKeysRequest) -> ListAccessKeysResponse
    who_am_i(WhoAmIRequest) -> WhoAmIResponse
}
