//! `[[pool]]` and `[[price]]`: what there is to share, and what it costs.

use weir_domain::amount::{RequestsPerMinute, Tokens, TokensPerMinute};
use weir_domain::ids::{DeploymentId, ModelName, PoolId};
use weir_domain::policy::{Deployment, Encoding, Model, Pool, Thresholds};
use weir_domain::price::{Currency, Price};

use crate::policy_files::block::Block;
use crate::policy_files::values;

pub(super) fn pool(mut block: Block<'_>) -> Option<Pool> {
    let id = block.called("name", |id: &PoolId| format!("pool {id}"));
    block.stands_here();
    let capacity = block.required("tokens_per_minute", values::count).unwrap_or_default();
    let requests = block.optional("requests_per_minute", values::count);
    let thresholds = block.block("thresholds").map_or_else(Thresholds::default, thresholds);
    let models = block.blocks("model").into_iter().filter_map(model).collect();
    let deployments = block.blocks("deployment").into_iter().filter_map(deployment).collect();
    block.finish();
    Some(Pool {
        id: id?,
        capacity: TokensPerMinute::new(capacity),
        requests: requests.map(RequestsPerMinute::new),
        thresholds,
        models,
        deployments,
    })
}

fn thresholds(mut block: Block<'_>) -> Thresholds {
    let usual = Thresholds::default();
    let thresholds = Thresholds {
        critical_percent: block.optional("critical", values::percent).unwrap_or(usual.critical_percent),
        standard_percent: block.optional("standard", values::percent).unwrap_or(usual.standard_percent),
        batch_percent: block.optional("batch", values::percent).unwrap_or(usual.batch_percent),
    };
    block.finish();
    thresholds
}

fn model(mut block: Block<'_>) -> Option<Model> {
    let within = block.place().to_owned();
    let name = block.called("name", |name: &ModelName| format!("{within} {name}"));
    let encoding = block.required("encoding", values::choice(Encoding::ALL, Encoding::as_str));
    let output_max = block.optional("output_tokens_max", values::count).unwrap_or_default();
    block.finish();
    let encoding = encoding.unwrap_or(Encoding::O200kBase);
    Some(Model { name: name?, encoding, output_max: Tokens::new(output_max) })
}

fn deployment(mut block: Block<'_>) -> Option<Deployment> {
    let within = block.place().to_owned();
    let id = block.called("name", |id: &DeploymentId| format!("{within} {id}"));
    let (upstream, model) = (block.reference("upstream"), block.reference("model"));
    block.finish();
    Some(Deployment { upstream, id: id?, model })
}

pub(super) fn price(mut block: Block<'_>) -> Option<Price> {
    let model = block.called("model", |model: &ModelName| format!("price of model {model}"));
    block.stands_here();
    let valid_from = block.required("valid_from", values::instant).unwrap_or_default();
    let currency = block.required("currency", values::currency);
    let input = block.required("input", values::price).unwrap_or_default();
    let input_cached = block.optional("input_cached", values::price).unwrap_or(input);
    let output = block.required("output", values::price).unwrap_or_default();
    block.finish();
    let no_currency = || Currency::try_new("XXX").expect("three capital letters");
    let currency = currency.unwrap_or_else(no_currency);
    Some(Price { model: model?, valid_from, currency, input, input_cached, output })
}
