//! What a request asks for, and where it goes.

use std::sync::Arc;

use http::{Method, Uri};
use weir_domain::ids::{DeploymentId, PoolId};
use weir_domain::policy::{FailureMode, Model};
use weir_domain::usage::Operation;

use crate::directory::{Caller, Index};
use crate::errors::Problem;
use crate::upstream::{Upstream, Upstreams};

/// Named where something else is asked for.
pub(crate) const SERVED: &str = "POST /v1/chat/completions, /v1/embeddings, /openai/v1/chat/completions, \
    /openai/v1/embeddings, /openai/deployments/{deployment}/chat/completions, \
    /openai/deployments/{deployment}/embeddings; GET /v1/models, /v1/models/{id}, /openai/v1/models";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Work for a model.
    Inference(Target),
    /// The models that the caller may use.
    Models,
    /// One of them.
    Model(String),
}

/// Work, and how its URL names the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) operation: Operation,
    /// In the path; then the body's model says nothing, as on Azure.
    pub(crate) deployment: Option<String>,
    /// As the caller gave it, if it makes sense upstream.
    pub(crate) api_version: Option<String>,
}

impl Endpoint {
    /// Reads a request line.
    pub(crate) fn of(method: &Method, uri: &Uri) -> Option<Self> {
        let path = uri.path();
        if let Some(rest) = path.strip_prefix("/openai/deployments/") {
            let (deployment, work) = rest.split_once('/')?;
            let api_version = query_value(uri.query().unwrap_or_default(), "api-version");
            return inference(method, work, Some(deployment.to_owned()), api_version);
        }
        let rest = path.strip_prefix("/openai").unwrap_or(path).strip_prefix("/v1/")?;
        match rest.strip_prefix("models") {
            Some("" | "/") if method == Method::GET => Some(Self::Models),
            Some(id) if method == Method::GET => id.strip_prefix('/').map(|id| Self::Model(id.to_owned())),
            _ => inference(method, rest, None, None),
        }
    }
}

fn inference(
    method: &Method,
    work: &str,
    deployment: Option<String>,
    api_version: Option<String>,
) -> Option<Endpoint> {
    let operation = match work {
        "chat/completions" => Operation::ChatCompletions,
        "embeddings" => Operation::Embeddings,
        _ => return None,
    };
    (method == Method::POST).then_some(Endpoint::Inference(Target { operation, deployment, api_version }))
}

/// A value that can be passed on in a URL as it is.
fn query_value(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))?.1;
    let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    (plain && !value.is_empty()).then(|| value.to_owned())
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) pool: PoolId,
    /// What to do for the caller's allocation while quota cannot be asked.
    pub(crate) failure: FailureMode,
    pub(crate) model: Model,
    pub(crate) deployment: DeploymentId,
    pub(crate) upstream: Arc<Upstream>,
}

/// Finds the way of a request: the model it names, the pool that serves it, a deployment there.
pub(crate) fn route(
    index: &Index,
    caller: &Caller,
    target: &Target,
    body_model: Option<&str>,
    upstreams: &Upstreams,
) -> Result<Route, Problem> {
    let Some(name) = target.deployment.as_deref().or(body_model) else {
        return Err(Problem::bad_member("model", "`model` is missing."));
    };
    let served = index.model(name).filter(|served| caller.key_allows(&served.model.name));
    let served = served.ok_or_else(|| Problem::unknown_model(name))?;
    let allocation = caller.allocation(&served.pool).ok_or_else(|| {
        let (service, model) = (caller.service.id.as_str(), served.model.name.as_str());
        Problem::not_allocated(service, model, served.pool.as_str())
    })?;
    let names_deployment = served.model.name.as_str() != name;
    let (deployment, upstream) = served
        .in_turn()
        .filter(|deployment| !names_deployment || deployment.id.as_str() == name)
        .find_map(|deployment| upstreams.get(&deployment.upstream).map(|upstream| (deployment, upstream)))
        .ok_or_else(|| Problem::no_upstream(served.model.name.as_str()))?;
    Ok(Route {
        pool: served.pool.clone(),
        failure: allocation.failure,
        model: served.model.clone(),
        deployment: deployment.id.clone(),
        upstream: Arc::clone(upstream),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tests::sample;
    use crate::upstream::tests::upstreams_named;
    use weir_domain::directory::KeyHash;
    use weir_domain::time::Timestamp;

    fn endpoint(method: &str, uri: &str) -> Option<Endpoint> {
        Endpoint::of(&method.parse().unwrap(), &uri.parse().unwrap())
    }

    fn chat(deployment: Option<&str>, api_version: Option<&str>) -> Target {
        Target {
            operation: Operation::ChatCompletions,
            deployment: deployment.map(str::to_owned),
            api_version: api_version.map(str::to_owned),
        }
    }

    #[test]
    fn every_url_family_is_known() {
        let work = |target| Some(Endpoint::Inference(target));
        assert_eq!(endpoint("POST", "/v1/chat/completions"), work(chat(None, None)));
        assert_eq!(
            endpoint("POST", "/openai/v1/chat/completions?api-version=preview"),
            work(chat(None, None))
        );
        assert_eq!(
            endpoint("POST", "/openai/deployments/d-1/chat/completions?x=1&api-version=2024-10-21"),
            work(chat(Some("d-1"), Some("2024-10-21")))
        );
        assert_eq!(endpoint("GET", "/openai/v1/models"), Some(Endpoint::Models));
        assert_eq!(endpoint("GET", "/v1/models/gpt-4o"), Some(Endpoint::Model("gpt-4o".into())));
        for (method, uri) in [
            ("GET", "/v1/chat/completions"),
            ("POST", "/v1/models"),
            ("GET", "/v1/modelsx"),
            ("POST", "/v1/responses"),
            ("POST", "/openai/deployments/d-1"),
            ("POST", "/openai/deployments/d/1/chat/completions"),
            ("GET", "/"),
        ] {
            assert_eq!(endpoint(method, uri), None, "{method} {uri}");
        }
    }

    #[test]
    fn an_api_version_that_could_rewrite_the_url_is_dropped() {
        let uri = "/openai/deployments/d/chat/completions?api-version=1%26x=2";
        assert_eq!(endpoint("POST", uri), Some(Endpoint::Inference(chat(Some("d"), None))));
    }

    fn routed(target: &Target, model: Option<&str>) -> Result<String, &'static str> {
        routed_with_key(1, target, model)
    }

    fn routed_with_key(key: u8, target: &Target, model: Option<&str>) -> Result<String, &'static str> {
        let index = sample();
        let caller = index.caller(&KeyHash::new([key; 32]), Timestamp::EPOCH).unwrap();
        let route = route(&index, caller, target, model, &upstreams_named(&["u"]));
        route.map(|route| route.deployment.to_string()).map_err(|problem| problem.code())
    }

    #[test]
    fn the_path_decides_over_the_body() {
        assert_eq!(routed(&chat(Some("gpt-4o"), None), Some("secret")), Ok("d-1".into()));
        assert_eq!(routed(&chat(Some("d-2"), None), None), Ok("d-2".into()));
        assert_eq!(routed(&chat(None, None), Some("gpt-4o")), Ok("d-1".into()));
        assert_eq!(routed(&chat(None, None), None), Err("invalid_value"));
    }

    #[test]
    fn a_model_without_an_allocation_is_not_the_same_as_one_that_does_not_exist() {
        assert_eq!(routed(&chat(None, None), Some("gpt-9")), Err("model_not_found"));
        assert_eq!(routed(&chat(None, None), Some("secret")), Err("model_not_allocated"));
        assert_eq!(routed(&chat(Some("d-4"), None), None), Err("model_not_allocated"));
    }

    #[test]
    fn a_key_reaches_the_models_of_its_list_only_by_whatever_name() {
        assert_eq!(routed_with_key(3, &chat(None, None), Some("mini")), Ok("d-3".into()));
        assert_eq!(routed_with_key(3, &chat(Some("d-3"), None), None), Ok("d-3".into()));
        assert_eq!(routed_with_key(3, &chat(None, None), Some("gpt-4o")), Err("model_not_found"));
        assert_eq!(routed_with_key(3, &chat(Some("d-1"), None), None), Err("model_not_found"));
        assert_eq!(routed_with_key(3, &chat(None, None), Some("secret")), Err("model_not_allocated"));
    }

    #[test]
    fn a_model_whose_upstream_nobody_configured_is_said_so() {
        let index = sample();
        let caller = index.caller(&KeyHash::new([1; 32]), Timestamp::EPOCH).unwrap();
        let problem = route(&index, caller, &chat(None, None), Some("gpt-4o"), &upstreams_named(&["v"]));
        assert_eq!(problem.unwrap_err().code(), "upstream_not_configured");
    }
}
