//! `[[burst]]` and `[[exception]]`: what somebody has beyond what is usual, until it ends.

use std::time::Duration;

use weir_domain::amount::TokensPerMinute;
use weir_domain::burst::{Approval, Burst, Category, GrantedBurst};
use weir_domain::ids::{BurstId, ExceptionId};
use weir_domain::policy::{Exception, Waiver};
use weir_domain::time::{Timestamp, Window};

use crate::policy_files::block::Block;
use crate::policy_files::{SANDBOX_LIMIT, values};

pub(super) fn burst(mut block: Block<'_>) -> Option<GrantedBurst> {
    let id = block.called("name", |id: &BurstId| format!("burst {id}"));
    block.stands_here();
    let (service, pool) = (block.reference("service"), block.reference("pool"));
    let extra = block.required("extra", values::count).unwrap_or_default();
    let window = window(&mut block);
    let category = block.optional("category", values::choice(Category::ALL, Category::as_str));
    let reason = block.required("reason", values::text).unwrap_or_default();
    let requester = block.optional("requester", values::text);
    let approver = block.required("approved_by", values::text).unwrap_or_default();
    let best_effort = block.optional("best_effort", values::flag).unwrap_or_default();
    block.finish();
    let burst = Burst {
        id: id?,
        service,
        pool,
        extra: TokensPerMinute::new(extra),
        window,
        category: category.unwrap_or_default(),
        reason,
        // Whoever approves what nobody asked for has asked themselves.
        requester: requester.unwrap_or_else(|| approver.clone()),
    };
    let approval = if best_effort { Approval::BestEffort } else { Approval::Guaranteed };
    Some(GrantedBurst { burst, approval, approver })
}

fn window(block: &mut Block<'_>) -> Window {
    let (start, end) = (block.required("start", values::instant), block.required("end", values::instant));
    let stand_in = Window::try_new(Timestamp::EPOCH, Timestamp::EPOCH.plus(Duration::from_nanos(1)));
    let stand_in = stand_in.expect("it ends after it begins");
    let (Some(start), Some(end)) = (start, end) else { return stand_in };
    Window::try_new(start, end).unwrap_or_else(|| {
        block.wrong_field("end", "end is not after start; let it end later");
        stand_in
    })
}

pub(super) fn exception(mut block: Block<'_>) -> Option<Exception> {
    let id = block.called("name", |id: &ExceptionId| format!("exception {id}"));
    block.stands_here();
    let service = block.reference("service");
    let waives = block.required("waives", values::text).unwrap_or_default();
    let owner = block.required("owner", values::text).unwrap_or_default();
    let reason = block.required("reason", values::text).unwrap_or_default();
    let end = block.required("end", values::instant).unwrap_or_default();
    block.finish();
    let waives = if waives == SANDBOX_LIMIT { Waiver::SandboxLimit } else { Waiver::Other(waives) };
    Some(Exception { id: id?, service, waives, owner, reason, end })
}
