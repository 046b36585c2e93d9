"""What happens when a function may no longer do one thing: so it is known that IAM is enforced here, for every test."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from hookwatch.operating.deployment import Deployment
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.receiver import Receiver
from tests.local_cloud.world import text, unique, within


@contextmanager
def without(stack: Stack, function: str, action: str, resource: str) -> Iterator[None]:
    """The function's role lacks the action on what ends in `resource`, until the end."""
    name = of(stack).physical_id(function)
    role = stack.client("lambda").get_function_configuration(FunctionName=name)["Role"].rsplit("/", 1)[1]
    iam, policies = stack.client("iam"), {}
    for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        policies[policy] = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    less = {policy: taken(document, action, resource) for policy, document in policies.items()}
    assert less != policies
    try:
        for policy, document in less.items():
            iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))
        yield
    finally:
        for policy, document in policies.items():
            iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def taken(document: dict[str, Any], action: str, resource: str) -> dict[str, Any]:
    def left(statement: dict[str, Any]) -> list[str]:
        is_meant = any(each.endswith(resource) for each in listed(statement["Resource"]))
        return [each for each in listed(statement["Action"]) if not (is_meant and each == action)]

    statements = [statement | {"Action": left(statement)} for statement in document["Statement"]]
    return document | {"Statement": [statement for statement in statements if statement["Action"]]}


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def of(stack: Stack) -> Deployment:
    return Deployment(stack.stack_name, stack.endpoint_url, stack.region)


def is_refused(stack: Stack, function: str, since: float) -> bool:
    """Whether the function's log tells of it."""
    group = of(stack).physical_id(f"{function}Logs")
    pages = (
        stack.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=group, startTime=int(since * 1000))
    )
    return any("AccessDenied" in event["message"] for page in pages for event in page["events"])


def created(endpoint_id: str) -> dict[str, Any]:
    return {"type": "endpoint.created", "endpoint_id": endpoint_id, "occurred_at": text(datetime.now(UTC))}


def test_an_api_that_may_not_write_says_503_and_has_written_nothing(stack: Stack, api: Api) -> None:
    shop, begun = unique("shop"), time.time()
    body = {"application_id": shop, "url": "https://ops.example.com/"}
    with without(stack, "Api", "dynamodb:PutItem", stack.tables["OperationalEndpoint"]):
        answer = api.post("", body)
        assert (answer.status_code, answer.json()["id"], "Retry-After" in answer.headers) == (503, "unavailable", True)
        assert "AccessDenied" not in answer.text
        assert within(10, lambda: is_refused(stack, "Api", begun))
        assert api.get("", application_id=shop).json()["data"] == []
        assert api.get("/audit", application_id=shop).json()["data"] == []
    assert api.post("", body).status_code == 201


def test_a_door_that_may_not_send_accepts_nothing(stack: Stack, api: Api) -> None:
    shop, begun, signals = unique("shop"), time.time(), [created("erp")]
    with without(stack, "Ingest", "sqs:SendMessage*", queue(stack, "Signals")):
        answer = api.post_signals(shop, signals)
        assert (answer.status_code, answer.json()["id"]) == (503, "unavailable")
        assert within(10, lambda: is_refused(stack, "Ingest", begun))
    assert api.post_signals(shop, signals).status_code == 202
    assert within(30, lambda: len(api.get("/events", application_id=shop).json()["data"]) == 1)


def test_an_observer_that_may_not_write_events_writes_no_record_either(stack: Stack, api: Api) -> None:
    shop, begun, sqs = unique("shop"), time.time(), stack.client("sqs")
    url, visibility = stack.queues["Signals"], "VisibilityTimeout"
    hidden = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[visibility])["Attributes"][visibility]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={visibility: "2"})  # so that it is soon handed out again
    try:
        with without(stack, "Observer", "dynamodb:PutItem", stack.tables["OperationalEvent"]):
            assert api.post_signals(shop, [created("erp")]).status_code == 202
            assert within(10, lambda: is_refused(stack, "Observer", begun))
            assert api.get("/monitored_endpoints/erp", application_id=shop).status_code == 404
            assert api.get("/events", application_id=shop).json()["data"] == []
        assert within(30, lambda: len(api.get("/events", application_id=shop).json()["data"]) == 1)
        assert api.get("/monitored_endpoints/erp", application_id=shop).status_code == 200
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={visibility: hidden})


def test_an_emitter_that_may_not_send_loses_nothing(stack: Stack, api: Api) -> None:
    shop, begun = unique("shop"), time.time()
    with Receiver() as receiver:
        receiver.secret = api.post("", {"application_id": shop, "url": receiver.url}).json()["secret"]
        with without(stack, "Emitter", "sqs:SendMessage*", queue(stack, "Retries")):
            assert api.post_signals(shop, [created("erp")]).status_code == 202
            assert within(10, lambda: is_refused(stack, "Emitter", begun))
            assert receiver.receipts == []
        assert receiver.wait_until(lambda: len(receiver.receipts) == 1, 30)
        assert [(each.type, each.is_verified) for each in receiver.receipts] == [("endpoint.created", True)]


def queue(stack: Stack, logical_id: str) -> str:
    return stack.queues[logical_id].rsplit("/", 1)[1]
