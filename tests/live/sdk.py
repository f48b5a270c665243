"""What an application does with the official OpenAI SDK, one case a run.

Usage: sdk.py CASE GATEWAY KEY     (GATEWAY without a path, for instance http://127.0.0.1:8080)
Exits with 0 if the SDK behaved as it does against the real upstreams.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import openai
from openai import AzureOpenAI, OpenAI

case, gateway, key = sys.argv[1:4]
QUESTION = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "How high is the river today?"},
]


def openai_client(key=key, **options):
    return OpenAI(base_url=f"{gateway}/v1", api_key=key, **options)


def azure_client(key=key, **options):
    return AzureOpenAI(azure_endpoint=gateway, api_key=key, api_version="2024-10-21", **options)


def check_usage(usage):
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0, usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage


def chat(client, model):
    raw = client.chat.completions.with_raw_response.create(model=model, messages=QUESTION, max_tokens=20)
    assert raw.headers["x-weir-request-id"], raw.headers
    assert int(raw.headers["x-ratelimit-limit-tokens"]) > 0, raw.headers
    answer = raw.parse()
    assert answer.choices[0].message.content, answer
    assert answer.choices[0].index == 0
    check_usage(answer.usage)


def stream(client, model):
    text, usages, finish = "", [], None
    for chunk in client.chat.completions.create(model=model, messages=QUESTION, max_tokens=20, stream=True):
        usages.append(chunk.usage)
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    assert text and finish in ("stop", "length"), (text, finish)
    assert not any(usages), "usage was not asked for, so none must be seen"


def stream_with_usage(client, model):
    options = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(
            model=model, messages=QUESTION, max_tokens=20, stream=True, stream_options=options
        )
    )
    assert chunks[-1].choices == [] and chunks[-1].usage, chunks[-1]
    check_usage(chunks[-1].usage)
    assert not any(chunk.usage for chunk in chunks[:-1])


def embeddings(client):
    answer = client.embeddings.create(model="text-embedding-3-small", input=["river", "weir"])
    assert len(answer.data) == 2 and len(answer.data[0].embedding) > 100
    assert answer.usage.prompt_tokens > 0 and answer.usage.total_tokens == answer.usage.prompt_tokens


def refused(error, kind, call):
    try:
        call()
    except error as problem:
        assert problem.body and problem.body["message"], problem.body
        assert set(problem.body) >= {"message", "type", "param", "code"}, problem.body
        assert kind in (problem.body["code"], problem.body["type"]), problem.body
        return problem
    raise AssertionError(f"no {error.__name__} was raised")


def bad_key():
    for make in (openai_client, azure_client):
        refused(
            openai.AuthenticationError,
            "invalid_api_key",
            lambda: make(key="weir_wrong").chat.completions.create(model="gpt-4o", messages=QUESTION),
        )


def unknown_model():
    refused(
        openai.NotFoundError,
        "model_not_found",
        lambda: openai_client().chat.completions.create(model="gpt-none", messages=QUESTION),
    )
    refused(
        openai.NotFoundError,
        "model_not_found",
        lambda: azure_client().chat.completions.create(model="gpt-none", messages=QUESTION),
    )


def over_quota():
    """More at once than the baseline holds: some are refused, and an SDK that waits as told gets its answer."""

    def ask(client):
        return client.chat.completions.create(model="gpt-4o", messages=QUESTION, max_tokens=1900)

    def refusal(_):
        try:
            ask(openai_client(max_retries=0))
        except openai.RateLimitError as problem:
            return problem

    with ThreadPoolExecutor(max_workers=10) as callers:
        refusals = [problem for problem in callers.map(refusal, range(10)) if problem]
        patient = callers.submit(ask, openai_client(max_retries=5))
    assert 0 < len(refusals) < 10, f"{len(refusals)} of 10 were refused, where five fit"
    headers = refusals[0].response.headers
    assert refusals[0].body["code"] == "rate_limit_exceeded", refusals[0].body
    assert float(headers["retry-after-ms"]) > 0 and float(headers["retry-after"]) >= 1, headers
    for name in ("limit", "remaining", "reset"):
        assert headers[f"x-ratelimit-{name}-tokens"] is not None, headers
    assert patient.result().choices


def never_fits():
    """A request above the largest that the allocation may make: waiting cannot help, and the SDK does not wait."""
    began = time.monotonic()
    problem = refused(
        openai.RateLimitError,
        "insufficient_quota",
        lambda: openai_client().chat.completions.create(model="gpt-4o", messages=QUESTION, max_tokens=5000),
    )
    assert problem.response.headers["x-should-retry"] == "false", problem.response.headers
    assert time.monotonic() - began < 2, "the SDK retried what cannot succeed"


CASES = {
    "openai_chat": lambda: chat(openai_client(), "gpt-4o-mini"),
    "openai_stream": lambda: stream(openai_client(), "gpt-4o-mini"),
    "openai_stream_with_usage": lambda: stream_with_usage(openai_client(), "gpt-4o-mini"),
    "openai_embeddings": lambda: embeddings(openai_client()),
    "azure_chat": lambda: chat(azure_client(), "gpt-4o"),
    "azure_stream": lambda: stream(azure_client(), "gpt-4o"),
    "azure_stream_with_usage": lambda: stream_with_usage(azure_client(), "gpt-4o"),
    "azure_embeddings": lambda: embeddings(azure_client()),
    "bad_key": bad_key,
    "unknown_model": unknown_model,
    "over_quota": over_quota,
    "never_fits": never_fits,
}

CASES[case]()
