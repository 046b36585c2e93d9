"""REPLAYS, a wake-up for each step → RETRIES, Replay."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from hookwatch import tables, times
from hookwatch.notifying import pacing, replaying, replays
from hookwatch.notifying.queue import Delivery
from hookwatch.notifying.replays import Replay
from hookwatch.notifying.signing import SealKeys
from tests.in_process.api import call
from tests.in_process.aws import SEAL_KEY, Aws
from tests.in_process.deliveries import attempts, deliver, owed, record, register, register_receiver
from tests.in_process.replays import (
    SINCE,
    START,
    begin,
    deliver_queued,
    each_second,
    found,
    happened,
    queued,
    run,
    wake,
)
from tests.in_process.signals import unique
from tests.integration.test_mutes import mute
from tests.local_cloud.receiver import Receiver

OLD = "2026-11-23T10:00:00.000Z"


@pytest.fixture
def in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step queues five deliveries, and nobody waits for the next."""
    monkeypatch.setattr(replaying, "AHEAD", timedelta(milliseconds=50))
    monkeypatch.setattr(replays, "LEAD", timedelta(hours=1))


def counts(replay: Replay) -> tuple[str, int, int, int]:
    return replay.state, replay.counted, replay.sent, replay.failed


def ids(aws: Aws, replay_id: str) -> list[str]:
    return [delivery.event_id for delivery in queued(aws, replay_id)]


def test_each_event_is_received_once_more_as_it_was_and_marked(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    name = register_receiver(aws, receiver, application_id=shop)
    first, *_ = happened(shop, *each_second(3))
    aws.invoke("reemitter", {"event_ids": [first]})
    [live] = aws.take("Deliveries")
    deliver(aws, live)
    replay_id = begin(aws, name, rate_per_second=100)
    assert counts(run(aws, replay_id)) == ("completed", 3, 3, 0)
    deliver_queued(aws, replay_id)
    before, *again = receiver.accepted()
    [same] = [receipt for receipt in again if receipt.webhook_id == first]
    assert same.raw == before.raw
    assert all(receipt.is_verified for receipt in receiver.receipts)
    assert [receipt.headers.get("hookwatch-replayed") for receipt in (before, *again)] == [None, *["true"] * 3]
    recorded = call(aws, "GET", f"/{name}/attempts", replay_id=replay_id)[1]["data"]
    assert {(attempt["number"], attempt["replay_id"]) for attempt in recorded} == {(1, replay_id)}
    assert len(recorded) == 3


@pytest.mark.usefixtures("in_small_steps")
def test_it_goes_on_step_by_step_at_its_rate_and_queues_each_event_once(aws: Aws) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop)
    expected = happened(shop, *each_second(23))
    begun = datetime.now(UTC) - timedelta(milliseconds=1)
    replay_id = begin(aws, name, rate_per_second=100)
    replay = run(aws, replay_id)
    assert counts(replay) == ("completed", 23, 23, 0)
    assert replay.step >= 5
    assert ids(aws, replay_id) == expected
    come_at = [delivery.comes_at for delivery in queued(aws, replay_id)]
    between = [later - earlier for earlier, later in pairwise(come_at) if later and earlier]
    assert min(between) >= timedelta(milliseconds=9)  # times are kept to the millisecond
    assert come_at[0] is not None
    assert come_at[0] >= begun
    assert replay.place is not None
    assert replay.place.listed_at.startswith(times.to_text(START + timedelta(seconds=22)))
    assert call(aws, "GET", f"/replays/{replay_id}")[1]["reached"] == times.to_text(START + timedelta(seconds=22))


def test_it_is_hidden_until_its_next_step_is_due(aws: Aws) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop)
    happened(shop, *each_second(30))
    replay_id = begin(aws, name, rate_per_second=1)
    replay = run(aws, replay_id)
    assert counts(replay) == ("running", 10, 10, 0)
    assert replay.goes_on_at > datetime.now(UTC) + replays.LEAD
    assert not wake(aws, replay_id)


def test_what_is_asked_for_narrows_what_the_endpoint_asks_for(aws: Aws) -> None:
    shop = unique("shop")
    asks = ("message.attempt.recovered", "message.attempt.failing")
    name = register(
        aws, "https://ops.example.com/", application_id=shop, filter_types=asks, filter="data.message_id != 'n'"
    )
    good, late = happened(shop, START, START + timedelta(hours=1))
    happened(shop, START, message_id="n")
    happened(shop, START, type_="message.attempt.exhausted")
    happened(shop, START, type_="webhook.test", operational_endpoint_id=name, reported_by="x")
    happened(shop, START, message_id="o")
    happened(shop, START - timedelta(seconds=1))
    happened(shop, START, quiet=True)
    happened(unique("other"), START)
    until = times.to_text(START + timedelta(hours=1))
    asked: dict[str, Any] = {"types": ["message.attempt.recovered"], "filter": "data.message_id != 'o'"}
    replay_id = begin(aws, name, until=until, **asked)
    run(aws, replay_id)
    assert ids(aws, replay_id) == [good]
    replay_id = begin(aws, name, **asked)
    run(aws, replay_id)
    assert ids(aws, replay_id) == [good, late]


def test_a_preset_stands_for_its_types(aws: Aws) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop)
    happened(shop, START)
    [changed] = happened(shop, START, type_="endpoint.updated")
    replay_id = begin(aws, name, types=["changes"])
    run(aws, replay_id)
    assert ids(aws, replay_id) == [changed]


def test_what_was_muted_stays_so(aws: Aws) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop)
    mute(aws, shop)
    happened(shop, datetime.now(UTC))
    happened(shop, datetime.now(UTC), endpoint_id="crm")
    replay_id = begin(aws, name)
    assert run(aws, replay_id).counted == 1


def test_what_hookwatch_learns_of_later_is_live_and_not_replayed(aws: Aws) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop)
    replay_id = begin(aws, name)
    happened(shop, START, detected=True)
    table = tables.OperationalEvent
    for item in table.by_application.query(shop):
        item.update([table.data.set(item.data.replace(SINCE, times.to_text(datetime.now(UTC))))])
    assert counts(run(aws, replay_id)) == ("completed", 0, 0, 0)


@pytest.mark.usefixtures("in_small_steps")
def test_only_what_failed_is_what_never_reached_it_and_is_not_on_its_way(aws: Aws) -> None:
    shop = unique("shop")
    answers = {"delivered": 200, "retrying": 500, "given_up": 410}
    with Receiver(lambda body, _attempt: answers[body["data"]["message_id"]]) as receiver:
        name = register_receiver(aws, receiver, application_id=shop)
        events = {status: happened(shop, START, message_id=status)[0] for status in answers}
        [untold] = happened(shop, START)
        happened(shop, datetime(2026, 11, 23, 9, tzinfo=UTC))  # before there was the endpoint
        for status, event_id in events.items():
            deliver(aws, record(_delivery(name, shop, event_id, status)))
        assert call(aws, "PATCH", f"/{name}", {"is_enabled": True})[0] == 200  # a 410 disabled it
        again = begin(aws, name, only="failed", since=OLD)
        assert run(aws, again).counted == 2
        assert set(ids(aws, again)) == {events["given_up"], untold}
    with Receiver() as receiver:
        receiver.secret = None
        assert call(aws, "PATCH", f"/{name}", {"url": receiver.url})[0] == 200
        deliver_queued(aws, again)
        assert len(receiver.accepted()) == 2
    last = begin(aws, name, only="failed", since=OLD)
    assert run(aws, last).counted == 0  # the replay before delivered them


def _delivery(name: str, shop: str, event_id: str, status: str) -> Any:

    body = {"type": "message.attempt.recovered", "timestamp": SINCE, "data": {"message_id": status}}
    return Delivery.owed(
        event_id=event_id,
        event_type="message.attempt.recovered",
        operational_endpoint_id=name,
        application_id=shop,
        body=json.dumps(body),
    ).sealed(SealKeys(SEAL_KEY))


def test_a_dry_run_counts_all_of_it_and_queues_nothing(aws: Aws) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop)
    happened(shop, *each_second(30))
    replay_id = begin(aws, name, dry_run=True, rate_per_second=1)
    assert counts(run(aws, replay_id)) == ("completed", 30, 0, 0)
    assert queued(aws, replay_id) == []


def test_what_cannot_be_read_or_fails_a_filter_is_counted_and_holds_up_nothing(aws: Aws) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop)
    [broken, _, _] = happened(shop, *each_second(3))
    tables.OperationalEvent(broken).update([tables.OperationalEvent.data.set("{")])
    happened(shop, START, endpoint_id="crm", message_id="x")
    replay_id = begin(aws, name, filter="data.endpoint_id == 'erp' || sum(data.message_id) > `0`")
    assert counts(run(aws, replay_id)) == ("completed", 2, 2, 2)
    tables.OperationalEvent(broken).delete()


@pytest.mark.usefixtures("in_small_steps")
def test_the_events_of_every_application_come_once_each(aws: Aws) -> None:
    marked = unique("m")
    name = register(aws, "https://ops.example.com/", application_id="*")
    expected = [
        event_id
        for shop in (unique("shop"), unique("shop"), unique("shop"))
        for hours in (0, 0.01, 1, 1.5)
        for event_id in happened(shop, START + timedelta(hours=hours), message_id=marked)
    ]
    replay_id = begin(aws, name, rate_per_second=100, filter=f"data.message_id == '{marked}'")
    assert counts(run(aws, replay_id)) == ("completed", 12, 12, 0)
    assert found(replay_id).step > 2
    assert sorted(ids(aws, replay_id)) == sorted(expected)
    tables.OperationalEndpoint(name).delete()


def test_a_receiver_that_fails_is_probed_and_no_more(aws: Aws) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop, failing_since=OLD)
    happened(shop, *each_second(30))
    replay_id = begin(aws, name, rate_per_second=100)
    assert run(aws, replay_id).sent == 2


def test_while_live_events_stand_in_line_a_replay_waits(aws: Aws) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop, rate_limit=1)
    happened(shop, *each_second(3))
    pacing.line_up(name, 600, 1, datetime.now(UTC))
    replay_id = begin(aws, name, rate_per_second=100)
    replay = run(aws, replay_id)
    assert counts(replay) == ("running", 0, 0, 0)
    assert replay.goes_on_at > datetime.now(UTC) + timedelta(seconds=55)


def test_a_replayed_delivery_takes_no_place_in_line_and_yields_where_no_slot_is_free(
    aws: Aws, receiver: Receiver
) -> None:
    shop = unique("shop")
    name = register_receiver(aws, receiver, application_id=shop, rate_limit=1)
    happened(shop, START)
    replay_id = begin(aws, name)
    run(aws, replay_id)
    [delivery] = queued(aws, replay_id)
    now = datetime.now(UTC)
    pacing.take_slot(name, 1, now)
    pacing.take_slot(name, 1, now)
    sqs, url = aws.client("sqs"), aws.queue_urls["Retries"]
    [message] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=180)["Messages"]
    handed = record(delivery, "Retries") | {"receiptHandle": message["ReceiptHandle"], "messageId": "m"}
    assert deliver(aws, handed) == ["m"]
    assert receiver.receipts == []
    assert pacing.end_of_line(name) < now
    assert attempts(aws, delivery) == []


@pytest.mark.parametrize(("change", "reason"), [("disable", "disabled"), ("delete", "deleted")])
def test_it_ends_where_its_endpoint_is_gone_or_off(aws: Aws, change: str, reason: str) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop)
    happened(shop, START)
    replay_id = begin(aws, name)
    method = {"disable": ("PATCH", {"is_enabled": False}), "delete": ("DELETE", None)}[change]
    call(aws, method[0], f"/{name}", method[1])
    replay = run(aws, replay_id)
    assert counts(replay) == ("failed", 0, 0, 0)
    assert replay.reason == f"operational_endpoint_{reason}"
    assert replays.running(name) is None


def test_a_wake_up_whose_replay_was_never_made_is_for_nothing(aws: Aws) -> None:
    assert aws.invoke("replayer", aws.sample("replayer")) == {"batchItemFailures": []}


def test_a_delivery_of_a_replay_does_not_count_as_late(aws: Aws, receiver: Receiver, capsys: Any) -> None:
    shop = unique("shop")
    name = register_receiver(aws, receiver, application_id=shop)
    happened(shop, START)
    replay_id = begin(aws, name)
    run(aws, replay_id)
    capsys.readouterr()
    deliver_queued(aws, replay_id)
    assert "DeliveryLag" not in capsys.readouterr().out
    deliver(aws, record(owed(name)))
    assert "DeliveryLag" in capsys.readouterr().out
