//! Files → the domain's policy: every block of a file becomes a part of it.
//!
//! A field that cannot be read is noted and a stand-in taken, so that the rest of its block, and all that refers to it,
//! is looked at too.

mod allocation;
mod grants;
mod pool;
mod service;

use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use weir_domain::policy::Policy;

use super::Source;
use super::block::{Block, Page};
use super::notes::Notes;
pub(super) use allocation::{THRESHOLDS, kind_name};

/// The kinds of blocks there are, as they are named in files.
const KINDS: [&str; 6] = ["pool", "team", "service", "burst", "exception", "price"];
/// How much of a line is shown as what is wrong with it.
const SHOWN_CHARS_MAX: usize = 40;

/// Reads one file into a policy.
pub(super) fn file(source: &Source, policy: &mut Policy, notes: &RefCell<Notes>) {
    let page = Page::new(source, notes);
    let (table, broken) = DeTable::parse_recoverable(&source.text);
    for problem in broken {
        let span = problem.span().unwrap_or_default();
        let shown = source.text.get(span.clone()).unwrap_or_default();
        let shown: String = shown.chars().take(SHOWN_CHARS_MAX).collect();
        let message = match shown.as_str() {
            "" => problem.message().to_owned(),
            shown => format!("{}: {shown}", problem.message()),
        };
        notes.borrow_mut().broken(page.spot(span.start), message);
    }
    for (key, value) in table.get_ref() {
        let kind = key.get_ref().as_ref();
        if KINDS.contains(&kind) {
            blocks(&page, kind, value, policy);
        } else {
            let there: Vec<_> = KINDS.iter().map(|kind| format!("[[{kind}]]")).collect();
            let message = format!("is no kind of block; there are {}", there.join(", "));
            page.wrong(kind, key.span().start, &message);
        }
    }
}

fn blocks<'a>(page: &'a Page<'a>, kind: &str, value: &'a Spanned<DeValue<'a>>, policy: &mut Policy) {
    for block in page.blocks(value, kind) {
        take(block, kind, policy);
    }
}

fn take(block: Block<'_>, kind: &str, policy: &mut Policy) {
    match kind {
        "pool" => policy.pools.extend(pool::pool(block)),
        "team" => policy.teams.extend(service::team(block)),
        "service" => policy.services.extend(service::service(block)),
        "burst" => policy.bursts.extend(grants::burst(block)),
        "exception" => policy.exceptions.extend(grants::exception(block)),
        _ => policy.prices.extend(pool::price(block)),
    }
}
