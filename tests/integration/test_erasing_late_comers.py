"""Who writes while an application is erased, or after: what was under way, and what was on a queue."""

import json
from datetime import timedelta
from typing import Any

import pytest

from hookwatch import tables, times
from hookwatch.notifying import pacing
from tests.in_process import everything
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.deliveries import attempts, deliver, owed, record, register_receiver
from tests.in_process.erasing import (
    SETTLED,
    STAYS,
    TABLES,
    before_call,
    delete,
    delete_and_erase,
    deletion,
    erase,
    left,
)
from tests.in_process.everything import Everything
from tests.in_process.signals import attempt, messages, unique
from tests.integration.test_custom_events import stream_record
from tests.integration.test_delivery import due_now
from tests.integration.test_observer import observe
from tests.local_cloud.receiver import Receiver

pytestmark = pytest.mark.usefixtures("nothing_else_is_under_way")


def events_of(aws: Aws, shop: str) -> list[dict[str, Any]]:
    status, page = call(aws, "GET", "/events", application_id=shop, limit="100")
    assert status == 200
    found: list[dict[str, Any]] = page["data"]
    return found


# ── Two passes ──


def test_the_second_pass_begins_when_all_has_settled(aws: Aws) -> None:
    shop = unique("shop")
    delete(aws, shop)
    erase(aws)
    everything.post_signals(aws, shop, "erp")
    erase(aws, SETTLED - timedelta(seconds=10))
    assert events_and_state(aws, shop) == (["healthy"], "deleting")
    erase(aws, SETTLED)
    assert events_and_state(aws, shop) == ([], "deleted")


def events_and_state(aws: Aws, shop: str) -> tuple[list[str], str]:
    found = call(aws, "GET", "/monitored_endpoints", application_id=shop)[1]["data"]
    return [endpoint["state"] for endpoint in found], deletion(aws, shop)["state"]


def test_what_is_made_anew_between_the_passes_is_erased_in_the_second(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    delete(aws, shop)
    erase(aws)
    late = everything.fill(aws, shop, receiver.url, shared_with=unique("other"))
    assert set(left(aws, late)) == TABLES - STAYS - {"OperationalAttempt"}  # nothing is delivered any more
    erase(aws, SETTLED)
    assert left(aws, late) == {}


def test_an_attempt_that_was_under_way_while_its_event_was_erased_goes_in_the_second_pass(aws: Aws) -> None:
    shop = unique("shop")

    def erased_meanwhile(_body: Any, _attempt: int) -> int:
        delete(aws, shop)
        erase(aws)
        return 503

    with Receiver(erased_meanwhile) as receiver:
        own = register_receiver(aws, receiver, application_id=shop)
        assert observe(aws, *messages(shop, attempt("erp", 0, will_retry=False))) == []
        [event] = events_of(aws, shop)
        aws.invoke("emitter", {"Records": [stream_record(aws, event["event_id"])]})
        [message] = [each for each in aws.take("Deliveries") if own in each["body"]]
        assert deliver(aws, message) == []
    found = Everything(shop, {shop, own, event["event_id"]}, "")
    assert set(left(aws, found)) == {"OperationalAttempt", "Application"}
    erase(aws, SETTLED)
    assert left(aws, found) == {}


def test_an_hour_that_was_written_while_its_endpoint_was_erased_goes_in_the_second_pass(aws: Aws) -> None:
    shop = unique("shop")
    observe(aws, *messages(shop, attempt("erp", 0, succeeded=True)))
    late = messages(shop, attempt("erp", -3600, succeeded=True))
    delete(aws, shop)
    with before_call(tables.MonitoredEndpoint, "BatchWriteItem", lambda: observe(aws, *late)):
        erase(aws)
    found = Everything(shop, {shop}, "")
    assert '["endpoint"' in repr(left(aws, found)["MessageStats"])  # a row of an endpoint that is gone
    erase(aws, SETTLED)
    assert left(aws, found) == {}


def test_a_place_that_was_taken_while_its_operational_endpoint_was_erased_goes_in_the_second_pass(
    aws: Aws, receiver: Receiver
) -> None:
    shop = unique("shop")
    name = register_receiver(aws, receiver, application_id=shop, rate_limit=1)
    delete(aws, shop)
    with before_call(tables.OperationalEndpoint, "BatchWriteItem", lambda: pacing.line_up(name, 1, 1, times.now())):
        erase(aws)
    found = Everything(shop, {shop, name}, "")
    assert "DeliveryPace" in left(aws, found)
    erase(aws, SETTLED)
    assert left(aws, found) == {}


# ── What was on a queue ──


def waiting(aws: Aws, receiver: Receiver, whose: str, shop: str, format_: str = "standard") -> dict[str, Any]:
    """The message of a delivery that failed once and is due on RETRIES, to an operational endpoint of `whose`."""
    name = register_receiver(aws, receiver, application_id=whose, format=format_)
    observe(aws, *messages(shop, attempt("erp", 0, will_retry=False), received_at=times.now()))
    event_id = events_of(aws, shop)[0]["event_id"]
    aws.invoke("emitter", {"Records": [stream_record(aws, event_id)]})
    [message] = [each for each in aws.take("Deliveries") if name in each["body"]]
    assert deliver(aws, message) == []
    [first] = tables.OperationalAttempt.query(event_id)
    due_now(aws, event_id, first.attempt_key)
    return record(message["body"], "Retries")


@pytest.mark.parametrize("whose", ["its own", "*"])
@pytest.mark.parametrize("format_", ["standard", "svix"])
def test_a_delivery_that_waits_goes_nowhere_once_its_application_is_deleted_and_leaves_no_record(
    aws: Aws, whose: str, format_: str
) -> None:
    shop = unique("shop")
    with Receiver(lambda _body, attempt: 503 if attempt == 1 else 200) as receiver:
        message = waiting(aws, receiver, shop if whose == "its own" else "*", shop, format_)
        delete_and_erase(aws, shop)
        assert deliver(aws, message) == []
    if whose == "*":
        tables.OperationalEndpoint(json.loads(message["body"])["operational_endpoint_id"]).delete()
    assert len(receiver.receipts) == 1
    assert left(aws, Everything(shop, {shop, receiver.receipts[0].webhook_id}, "")) == {}


def test_a_delivery_that_nobody_has_attempted_leaves_no_record_either(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    name = register_receiver(aws, receiver, application_id=shop)
    delivery = owed(name, application_id=shop)
    delete_and_erase(aws, shop)
    assert deliver(aws, record(delivery)) == []
    assert receiver.receipts == []
    assert attempts(aws, delivery) == []


def test_what_is_reported_after_a_deletion_is_delivered(aws: Aws) -> None:
    shop = unique("shop")
    delete_and_erase(aws, shop)
    with Receiver(lambda _body, attempt: 503 if attempt == 1 else 200) as receiver:
        assert deliver(aws, waiting(aws, receiver, shop, shop)) == []
    assert [receipt.status for receipt in receiver.receipts] == [503, 200]
