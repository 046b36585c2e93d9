"""What only a receiver or an operator may know is in nothing that the stack writes, in clear or as base64."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.e2e.conftest import STATE
from tests.e2e.test_notifying import attempts, happen
from tests.e2e.test_the_main_job import ARRIVES_WITHIN, eventually, register, text, unique
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.controls import depth, stopped
from tests.local_cloud.reading import readable
from tests.local_cloud.receiver import Receiver

HEADER, SOURCE, REFUSED = "header-value-7f3a9c", "source-secret-5d1e8b-of-hook0", "refused-value-2b6c4e"


def test_no_secret_is_in_a_table_a_queue_a_log_an_event_or_an_error(api: Api, stack: Stack) -> None:
    answers: list[str] = []
    named, secrets = use_all(api, stack, answers)
    assert all(secrets.values())
    with stopped(stack, "DeliverySource"), stopped(stack, "RetrySource"):
        api.post(f"/{named}/test", None)
        happen(api, api.get(f"/{named}").json()["application_id"], 3)
        assert eventually(lambda: depth(stack, "Deliveries") + depth(stack, "Retries") >= 4)
        queued = list(queues(stack))
    written = [*tables(stack), *queued, *logs(stack), ("cloud.log", cloud_log()), ("answers", "".join(answers))]
    assert len([place for place, content in written if content]) > 10
    found = {
        (name, place)
        for place, content in written
        for name, secret in secrets.items()
        for spelled in (secret, base64.b64encode(secret.encode()).decode().rstrip("="))
        if spelled in content
    }
    assert not found
    # What is no secret is found: a secret would have been.
    holding_a_name = {place.split()[0] for place, content in written if named in content}
    assert holding_a_name >= {"table", "queue", "log", "cloud.log", "answers"}


def use_all(api: Api, stack: Stack, answers: list[str]) -> tuple[str, dict[str, str]]:
    """Everything that has to do with secrets happens once. The endpoint's id and the secrets; what was answered besides
    goes to `answers`."""
    shop = unique("shop")
    source = api.post("/sources", {"application_id": shop, "kind": "hook0", "secret": SOURCE})
    with Receiver(lambda _body, attempt: 500 if attempt == 1 else 200) as receiver:
        name = register(api, receiver, shop, headers={"X-Api-Token": HEADER}, retry={"schedule_seconds": [1]})
        first = receiver.secret
        second = once(api, f"/{name}/secret/rotate", {})["secret"]
        key = once(api, "/keys", {"role": "viewer", "application_ids": [shop]})["key"].rpartition("_")[2]
        blocked = api.post("", {"application_id": shop, "url": "https://10.0.0.1/"})
        happened = [{"type": "endpoint.created", "endpoint_id": "erp", "occurred_at": text(datetime.now(UTC))}]
        api.post_signals(shop, happened)
        api.post(f"/{name}/test", None)
        assert receiver.wait_until(lambda: len(receiver.accepted()) == 2, ARRIVES_WITHIN)
        assert eventually(lambda: len(attempts(api, name, status="delivered")) == 2)
        refused = [
            api.post("", {"application_id": shop, "url": receiver.url, "headers": {"Host": REFUSED}}),
            api.post("", {"application_id": shop, "url": f"https://user:{REFUSED}@example.com/"}),
            api.post("/sources", {"application_id": shop, "kind": "svix", "secret": f"whsec_{REFUSED}!"}),
            api.post_as_hook0(source.json()["source_id"], "api.subscription.created", "e", b"{}", secret=REFUSED),
            Api(stack, f"hwk_admin_{REFUSED.replace('-', '')}xxxxxxxxxx").get("/event_types"),
        ]
        assert all(answer.status_code in (401, 403, 422) for answer in refused)
        shown = [api.get(f"/{name}"), api.get("", application_id=shop), api.get(f"/{name}/attempts"), source, blocked]
        answers += [answer.text for answer in (*refused, *shown)]
    seal = json.loads(
        stack.client("secretsmanager").get_secret_value(SecretId=physical(stack, "SealKey"))["SecretString"]
    )
    return name, {
        "signing secret": str(first).removeprefix("whsec_"),
        "rotated signing secret": second.removeprefix("whsec_"),
        "header": HEADER,
        "source": SOURCE,
        "seal key": seal["current"],
        "key": key,
        "admin key": stack.api_key.removeprefix("hwk_admin_"),
        "refused": REFUSED,
        "refused key": REFUSED.replace("-", ""),
    }


def once(api: Api, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """With an Idempotency-Key, so that the answer is kept."""
    answer = api.request("POST", path, json=body, headers={"Idempotency-Key": unique("request")})
    assert answer.ok, answer.text
    made: dict[str, Any] = answer.json()
    return made


def physical(stack: Stack, logical_id: str) -> str:
    answer = stack.client("cloudformation").describe_stack_resource(
        StackName=stack.stack_name, LogicalResourceId=logical_id
    )
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def tables(stack: Stack) -> Iterator[tuple[str, str]]:
    for name, table in stack.tables.items():
        pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        yield f"table {name}", "".join(readable(page["Items"]) for page in pages)


def queues(stack: Stack) -> Iterator[tuple[str, str]]:
    for name, url in stack.queues.items():
        answer = stack.client("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
        )
        yield f"queue {name}", readable(answer.get("Messages", []))


def logs(stack: Stack) -> Iterator[tuple[str, str]]:
    client = stack.client("logs")
    for page in client.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            yield (
                f"log {group['logGroupName']}",
                "\n".join(event["message"] for page in pages for event in page["events"]),
            )


def cloud_log() -> str:
    """What the functions printed, and what the local cloud says of them."""
    return (STATE / "cloud.log").read_text(errors="replace")
