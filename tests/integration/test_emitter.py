"""OperationalEvent stream → DELIVERIES."""

import json
from collections import Counter
from copy import deepcopy
from typing import Any

import pytest

from hookwatch.notifying import endpoints
from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.notifying.queue import Delivery
from hookwatch.notifying.signing import SealKeys
from tests.in_process.auditing import BY_A_TEST
from tests.in_process.aws import SEAL_KEY, Aws
from tests.in_process.signals import unique


@pytest.fixture(autouse=True)
def empty_queues(aws: Aws) -> None:
    aws.take("Deliveries")
    aws.take("EmitterFailures")


def register(application_id: str, **fields: Any) -> str:
    operational_endpoint_id = unique("oep")
    endpoints.create(
        OperationalEndpoint(
            operational_endpoint_id=operational_endpoint_id,
            application_id=application_id,
            url="https://ops.example.com/",
            credentials=(b"secret",),
            created_at="2026-11-23T10:00:00.000Z",
            updated_at="2026-11-23T10:00:00.000Z",
            has_succeeded=True,
            **fields,
        ),
        BY_A_TEST,
    )
    return operational_endpoint_id


def records(aws: Aws, application_id: str, number: int = 1, *, quiet: bool = False) -> list[dict[str, Any]]:
    made = []
    for _ in range(number):
        record = deepcopy(aws.sample("emitter")["Records"][0])
        event_id = {"S": unique("evt")}
        record["dynamodb"]["Keys"]["event_id"] = event_id
        record["dynamodb"]["NewImage"] |= {
            "event_id": event_id,
            "application_id": {"S": application_id},
            "quiet": {"BOOL": quiet},
        }
        made.append(record)
    return made


def id_of(record: dict[str, Any]) -> str:
    return str(record["dynamodb"]["Keys"]["event_id"]["S"])


def emit(aws: Aws, *batch: dict[str, Any]) -> list[Delivery]:
    aws.invoke("emitter", {"Records": list(batch)})
    return [json_to_delivery(message["body"]) for message in aws.take("Deliveries")]


def json_to_delivery(text: str) -> Delivery:
    return Delivery(**json.loads(text))


def test_an_event_is_owed_to_every_endpoint_of_its_application_and_of_all(aws: Aws) -> None:
    shop = unique("shop")
    own, every, _other = register(shop), register("*"), register(unique("warehouse"))
    deliveries = emit(aws, *records(aws, shop))
    assert {delivery.operational_endpoint_id for delivery in deliveries} == {own, every}
    endpoints.delete(endpoints.get(every), BY_A_TEST)


@pytest.mark.parametrize(
    ("fields", "quiet", "is_owed"),
    [
        pytest.param({}, False, True, id="all types"),
        pytest.param({"filter_types": ("message.attempt.exhausted",)}, False, True, id="its type"),
        pytest.param({"filter_types": ("endpoint.failing",)}, False, False, id="another type"),
        pytest.param({"is_enabled": False}, False, False, id="disabled"),
        pytest.param({}, True, False, id="quiet"),
        pytest.param({"filter_types": ("message.attempt.exhausted",)}, True, False, id="quiet, though asked for"),
        pytest.param({"message_events": "all"}, True, True, id="quiet, and all were asked for"),
        pytest.param({"filter_types": ("all",)}, False, True, id="a preset that it is in"),
        pytest.param({"filter_types": ("changes",)}, False, False, id="a preset that it is not in"),
        pytest.param({"filter": "data.severity == 'error'"}, False, True, id="its filter matches"),
        pytest.param({"filter": "contains(data.summary, 'msg-17')"}, False, True, id="a filter of what is rendered"),
        pytest.param({"filter": "data.severity == 'critical'"}, False, False, id="its filter does not match"),
        pytest.param({"filter": "sum(data.severity)"}, False, False, id="its filter fails"),
        pytest.param({"filter": "data.severity =="}, False, False, id="its filter is none any more"),
        pytest.param({"filter_types": ("changes",), "filter": "`true`"}, False, False, id="a filter adds no type"),
    ],
)
def test_who_is_owed_an_event(aws: Aws, fields: dict[str, Any], quiet: bool, is_owed: bool) -> None:
    shop = unique("shop")
    register(shop, **fields)
    assert bool(emit(aws, *records(aws, shop, quiet=quiet))) is is_owed


def test_a_filter_that_fails_keeps_the_event_from_nobody_else(aws: Aws) -> None:
    shop = unique("shop")
    register(shop, filter="data | " + " | ".join(["[@, @]"] * 60) + " == `1`")
    told = register(shop, filter="type == 'message.attempt.exhausted'")
    deliveries = emit(aws, *records(aws, shop, 3))
    assert [delivery.operational_endpoint_id for delivery in deliveries] == [told] * 3
    assert aws.take("EmitterFailures") == []


def test_the_filters_of_an_event_share_their_steps_and_those_of_every_application_come_first(aws: Aws) -> None:
    shop = unique("shop")
    for _ in range(11):
        register(shop, filter="data | " + " | ".join(["[@, @]"] * 60) + " == `1`")
    every = register("*", filter=f"data.application_id == '{shop}'")
    with aws.log_of("emitter") as log:
        deliveries = emit(aws, *records(aws, shop))
    endpoints.delete(endpoints.get(every), BY_A_TEST)
    assert [delivery.operational_endpoint_id for delivery in deliveries] == [every]
    reasons = Counter(line["reason"] for line in map(json.loads, log.getvalue().splitlines()) if "reason" in line)
    assert reasons["it takes more than 10000 steps"] == 9  # of the tenth's the first filter took some
    assert reasons["it takes more than 0 steps"] == 1
    assert reasons.total() == 11


def test_the_body_is_minified_and_says_what_happened(aws: Aws) -> None:
    shop = unique("shop")
    register(shop)
    [delivery] = emit(aws, *records(aws, shop))
    body = json.loads(delivery.body)
    assert list(body) == ["type", "timestamp", "data"]
    assert body["data"]["application_id"] == shop
    assert body["data"]["summary"].startswith("Message msg-17 was not delivered")
    assert json.dumps(body, separators=(",", ":"), ensure_ascii=False) == delivery.body


def test_every_delivery_is_sealed(aws: Aws) -> None:
    shop = unique("shop")
    register(shop)
    [delivery] = emit(aws, *records(aws, shop))
    assert delivery.is_sealed(SealKeys(SEAL_KEY))
    assert not delivery.is_sealed(SealKeys("another key"))


def test_a_batch_that_is_handed_out_again_has_the_same_delivery_ids(aws: Aws) -> None:
    shop = unique("shop")
    register(shop)
    batch = records(aws, shop, 3)
    first, again = emit(aws, *batch), emit(aws, *batch)
    assert {delivery.delivery_id for delivery in first} == {delivery.delivery_id for delivery in again}
    assert len({delivery.delivery_id for delivery in first}) == 3


def test_a_hundred_events_are_queued_ten_at_a_time(aws: Aws) -> None:
    shop = unique("shop")
    register(shop)
    assert len(emit(aws, *records(aws, shop, 100))) == 100


def test_a_record_that_cannot_be_understood_is_put_aside_and_the_rest_goes_on(aws: Aws) -> None:
    shop = unique("shop")
    register(shop)
    good, *bad = records(aws, shop, 4)
    bad[0]["dynamodb"]["NewImage"]["data"] = {"S": "{"}
    bad[1]["dynamodb"]["NewImage"]["data"] = {"S": '{"custom":' + "[" * 100_000}
    del bad[2]["dynamodb"]["NewImage"]["type"]
    assert [delivery.event_id for delivery in emit(aws, bad[0], good, *bad[1:])] == [id_of(good)]
    put_aside = {json.loads(message["body"])["event_id"] for message in aws.take("EmitterFailures")}
    assert put_aside == set(map(id_of, bad))


def test_the_log_says_to_whom_events_go_those_that_go_to_the_same_together(aws: Aws) -> None:
    shop, other = unique("shop"), unique("other")
    names = sorted(register(shop) for _ in range(2))
    own, nobodys = records(aws, shop, 3), records(aws, other)
    with aws.log_of("emitter") as log:
        emit(aws, *own, *nobodys)
    first, second = (json.loads(line) for line in log.getvalue().splitlines())
    assert (first["message"], first["event_ids"]) == ("emitted", list(map(id_of, own)))
    assert sorted(first["operational_endpoint_ids"]) == names
    assert (second["event_ids"], second["operational_endpoint_ids"]) == (list(map(id_of, nobodys)), [])
