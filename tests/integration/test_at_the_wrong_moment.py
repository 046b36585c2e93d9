"""Somebody changes an operational endpoint while deliveries to it are under way, in line, or remembered."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hookwatch import tables, times
from hookwatch.notifying import endpoints, pacing
from hookwatch.notifying.endpoints import EndpointCache, OperationalEndpoint
from tests.in_process.api import call
from tests.in_process.auditing import BY_A_TEST
from tests.in_process.aws import Aws
from tests.in_process.deliveries import attempts, deliver, owed, received, record, register, register_receiver
from tests.in_process.signals import unique
from tests.integration.test_custom_events import stream_record
from tests.integration.test_emitter import records
from tests.integration.test_reemitter import happened, reemit
from tests.local_cloud.receiver import Receiver

SIX_DAYS_AGO = times.to_text(datetime.now(UTC) - timedelta(days=6))


@pytest.fixture(autouse=True)
def empty_queues(aws: Aws) -> None:
    aws.renew("Deliveries", "Retries")


def change(name: str, **fields: Any) -> OperationalEndpoint:
    """As a PUT does."""
    old = endpoints.get(name)
    new = replace(old, updated_at=endpoints.next_update(old), **fields)
    endpoints.replace(old, new, BY_A_TEST, forgets="url" in fields)
    return new


def test_an_endpoint_of_version_0_1_is_known_to_work_after_its_next_success(aws: Aws) -> None:
    with Receiver() as receiver:
        name = register_receiver(aws, receiver)
        aws.client("dynamodb").update_item(
            TableName="OperationalEndpoint",
            Key={"operational_endpoint_id": {"S": name}},
            UpdateExpression="REMOVE has_succeeded, failing_since, rate_limit, retry_schedule",
        )
        deliver(aws, received(aws, owed(name), "Retries"))
    assert endpoints.get(name).has_succeeded


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        pytest.param(410, {}, id="the old URL says that it is gone"),
        pytest.param(500, {}, id="the old URL fails"),
        pytest.param(200, {"failing_since": SIX_DAYS_AGO}, id="the old URL works"),
    ],
)
def test_what_an_attempt_to_the_old_url_taught_is_not_noted_at_the_new_one(
    aws: Aws, status: int, fields: dict[str, Any]
) -> None:
    def moved(_body: Any, _attempt: int) -> int:
        change(name, url="https://new.example.com/")
        return status

    with Receiver(moved) as receiver:
        name = register_receiver(aws, receiver, **fields)
        deliver(aws, received(aws, owed(name), "Retries"))
    found = endpoints.get(name)
    assert (found.is_enabled, found.has_succeeded, found.failing_since) == (True, False, None)


def test_a_receiver_that_worked_again_meanwhile_is_not_disabled(aws: Aws) -> None:
    def another_succeeds(_body: Any, _attempt: int) -> int:
        endpoints.succeed(endpoints.get(name))
        return 500

    with Receiver(another_succeeds) as receiver:
        name = register_receiver(aws, receiver, failing_since=SIX_DAYS_AGO, retry_schedule=())
        deliver(aws, received(aws, owed(name), "Retries"))
    assert endpoints.get(name).is_enabled


def test_what_is_remembered_as_disabled_is_looked_up_before_its_delivery_is_cancelled(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws.function("delivery"), "operational_endpoints", EndpointCache(60))
    with Receiver() as receiver:
        name = register_receiver(aws, receiver, is_enabled=False)
        before, after = owed(name), owed(name)
        deliver(aws, record(before))
        change(name, is_enabled=True)
        deliver(aws, record(after))
    assert [attempts(aws, each)[0]["status"] for each in (before, after)] == ["cancelled", "delivered"]
    assert "duration_ms" not in attempts(aws, before)[0]


# ── in line ──


def in_line(name: str, ahead: timedelta) -> Any:
    """A delivery with a place so far ahead, at one a second."""
    number = int(ahead.total_seconds())
    return msgspec.structs.replace(owed(name), comes_at=pacing.line_up(name, number, 1, datetime.now(UTC))[-1])


def test_who_stands_in_line_goes_out_when_the_limit_is_taken_away(aws: Aws) -> None:
    with Receiver() as receiver:
        name = register_receiver(aws, receiver, rate_limit=1)
        delivery = in_line(name, timedelta(days=5))
        message = received(aws, delivery, "Retries")
        assert deliver(aws, message) == [message["messageId"]]
        change(name, rate_limit=None)
        assert deliver(aws, received(aws, delivery, "Retries")) == []
    assert len(receiver.accepted()) == 1


def test_a_changed_limit_ends_the_line_for_who_stands_in_it_and_for_who_comes(aws: Aws) -> None:
    with Receiver() as receiver:
        body = {"application_id": unique("shop"), "url": receiver.url, "rate_limit": 1}
        name = call(aws, "POST", "/", body)[1]["operational_endpoint_id"]
        delivery = in_line(name, timedelta(days=5))
        call(aws, "PUT", f"/{name}", body | {"description": "the limit stays"})
        message = received(aws, delivery, "Retries")
        assert deliver(aws, message) == [message["messageId"]]
        call(aws, "PUT", f"/{name}", body | {"rate_limit": 500})
        assert pacing.line_up(name, 1, 500, datetime.now(UTC))[0] < datetime.now(UTC) + timedelta(seconds=5)
        assert deliver(aws, received(aws, delivery, "Retries")) == []
    assert len(receiver.receipts) == 1


@pytest.mark.parametrize("is_deleted", [True, False], ids=["deleted", "disabled"])
def test_who_stands_in_line_to_nobody_is_cancelled_when_it_comes_and_not_at_its_place(
    aws: Aws, is_deleted: bool
) -> None:
    name = register(aws, "https://ops.example.com/", rate_limit=1)
    delivery = in_line(name, timedelta(days=5))
    if is_deleted:
        endpoints.delete(endpoints.get(name), BY_A_TEST)
    else:
        change(name, is_enabled=False)
    assert deliver(aws, received(aws, delivery, "Retries")) == []
    assert attempts(aws, delivery)[0]["status"] == "cancelled"


def test_a_place_that_sqs_cannot_hide_for_so_long_is_kept_by_a_message_of_its_own(aws: Aws) -> None:
    with Receiver() as receiver:
        name = register_receiver(aws, receiver, rate_limit=1)
        in_line(name, timedelta(days=2))
        while pacing.take_slot(name, 1, datetime.now(UTC)):
            continue
        message = received(aws, owed(name), "Retries")
        assert deliver(aws, message) == []  # it went on as another message
        assert aws.waiting("Retries") == 1
        assert receiver.receipts == []


def test_a_test_does_not_line_up_behind_the_others(aws: Aws) -> None:
    shop = unique("shop")
    body = {"application_id": shop, "url": "https://ops.example.com/", "rate_limit": 1}
    name = call(aws, "POST", "/", body)[1]["operational_endpoint_id"]
    in_line(name, timedelta(hours=1))
    event_id = call(aws, "POST", f"/{name}/test")[1]["event_id"]
    other = records(aws, shop)[0]
    # The one knows of the limit, the other comes from a time when there was none.
    aws.invoke("emitter", {"Records": [stream_record(aws, event_id), other]})
    [message] = aws.take("Deliveries")
    assert json.loads(message["body"])["event_type"] == "webhook.test"


def test_what_cannot_be_queued_takes_no_place_in_line(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = unique("shop")
    register(aws, "https://ops.example.com/", application_id=shop)
    name = register(aws, "https://ops.example.com/", application_id=shop, rate_limit=1)
    batch = {"Records": records(aws, shop, 20)}
    outbox = aws.function("emitter").emission.outbox
    with monkeypatch.context() as broken:
        broken.setattr(outbox, "_deliveries_url", outbox._deliveries_url + "-gone")
        for _ in range(3):
            with pytest.raises(Exception, match="NonExistentQueue"):
                aws.invoke("emitter", batch)
    assert name not in {item["operational_endpoint_id"]["S"] for item in aws.items("DeliveryPace")}


# ── what cannot be told, lists ──


@pytest.mark.parametrize("data", ["not JSON", "{}"])
def test_an_event_that_cannot_be_told_holds_up_no_reemission(aws: Aws, data: str) -> None:
    shop = unique("shop")
    register(aws, "https://ops.example.com/", application_id=shop)
    good, bad = happened(shop), happened(shop)
    item = tables.OperationalEvent.get(bad)
    item.update(actions=[tables.OperationalEvent.data.set(data)])
    answer = reemit(aws, application_id=shop)
    item.delete()
    assert (answer["deliveries"], answer["failed"]) == (1, 1)
    [message] = aws.take("Deliveries")
    assert json.loads(message["body"])["event_id"] == good


def test_a_rare_status_reads_ten_pages_at_most_and_goes_on_at_its_cursor(aws: Aws) -> None:
    with Receiver() as receiver:
        name = register_receiver(aws, receiver)
        for _ in range(15):
            deliver(aws, record(owed(name)))
    path, pages, cursor = f"/{name}/attempts", 0, None
    while True:
        page = call(aws, "GET", path, status="exhausted", limit="1", **({"cursor": cursor} if cursor else {}))[1]
        pages, cursor = pages + 1, page["next_cursor"]
        assert page["data"] == []
        if cursor is None:
            break
    assert pages == 2
