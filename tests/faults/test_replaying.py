"""The replayer, and who begins a replay, killed at each write and each message: each event once, and counted once."""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from hookwatch import tables
from hookwatch.notifying import replaying, replays
from hookwatch.notifying.replays import Replay
from hookwatch.notifying.signing import SealKeys
from tests.faults.cancelling import cancelled
from tests.faults.killing import Killed, killed, killed_at
from tests.in_process.api import call
from tests.in_process.auditing import on_record
from tests.in_process.aws import SEAL_KEY, Aws
from tests.in_process.deliveries import register_receiver
from tests.in_process.invoking import Context
from tests.in_process.replays import SINCE, begin, deliver_queued, each_second, found, happened, queued, run, wake
from tests.in_process.signals import unique
from tests.local_cloud.receiver import Receiver

NUMBER = 12
SENDS = ("sqs.SendMessage", "sqs.SendMessageBatch", "sqs.ChangeMessageVisibility")
WRITES = ("dynamodb.UpdateItem", "dynamodb.TransactWriteItems")


@pytest.fixture(autouse=True)
def in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps of five, five and two deliveries; the next is due at once."""
    monkeypatch.setattr(replaying, "AHEAD", timedelta(milliseconds=50))
    monkeypatch.setattr(replays, "LEAD", timedelta(hours=1))


def clients(aws: Aws) -> list[Any]:
    function = aws.function("replayer")
    return [
        tables.Replay._get_connection().connection.client,
        function.wake_ups._sqs,
        function.replaying._outbox._sqs,
    ]


def run_killed(aws: Aws, replay_id: str) -> Replay:
    """Lambda takes what was killed back to the queue; here it is handed out again at once."""
    for _ in range(20):
        with suppress(Killed):
            return run(aws, replay_id)
    raise AssertionError("it never ends")


def is_as_it_should_be(aws: Aws, replay_id: str, receiver: Receiver, events: list[str]) -> None:
    replay = found(replay_id)
    assert (replay.state, replay.counted, replay.sent, replay.failed) == ("completed", NUMBER, NUMBER, 0)
    deliver_queued(aws, replay_id)
    assert Counter(receipt.webhook_id for receipt in receiver.receipts) == Counter(events)
    assert not wake(aws, replay_id)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 10))
def test_killed_at_any_write_or_message_of_any_step_it_sends_and_counts_each_event_once(
    aws: Aws, receiver: Receiver, number: int, when: Any
) -> None:
    """A step makes three such calls: it queues, puts that on record, and wakes the next."""
    shop = unique("shop")
    name = register_receiver(aws, receiver, application_id=shop)
    events = happened(shop, *each_second(NUMBER))
    replay_id = begin(aws, name, rate_per_second=100)
    with killed_at(number, when, [*SENDS, *WRITES], clients(aws)) as kills:
        run_killed(aws, replay_id)
    assert bool(kills) == (number <= 8)  # the last step wakes nobody
    is_as_it_should_be(aws, replay_id, receiver, events)
    copies = Counter(delivery.event_id for delivery in queued(aws, replay_id))
    assert max(copies.values()) <= 2
    assert len({delivery.delivery_id for delivery in queued(aws, replay_id)}) == NUMBER


@pytest.mark.parametrize("operation", ["sqs.SendMessage", "dynamodb.TransactWriteItems"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_one_is_begun_it_runs_or_there_is_none_and_asked_again_it_is_the_same(
    aws: Aws, receiver: Receiver, operation: str, when: Any
) -> None:
    shop = unique("shop")
    name = register_receiver(aws, receiver, application_id=shop)
    events = happened(shop, *each_second(NUMBER))
    client = {
        "sqs.SendMessage": aws.function("api").replays.wake_ups._sqs,
        "dynamodb.TransactWriteItems": tables.Replay._get_connection().connection.client,
    }[operation]
    asked: dict[str, Any] = {"idempotency_key": unique("request")}
    body = {"since": SINCE, "rate_per_second": 100}
    with killed(client, when, operation) as kills, pytest.raises(Killed):
        call(aws, "POST", f"/{name}/replay", body, **asked)
    assert kills
    began = replays.running(name)
    assert bool(began) == ((operation, when) == ("dynamodb.TransactWriteItems", "after"))
    if began:
        assert run(aws, began).state == "completed"  # nobody has to ask again
    aws.forget("Idempotency")
    status, answer = call(aws, "POST", f"/{name}/replay", body, **asked)
    assert status == 202
    assert answer["replay_id"] == (began or answer["replay_id"])
    run(aws, answer["replay_id"])
    is_as_it_should_be(aws, answer["replay_id"], receiver, events)
    assert [item["action"] for item in on_record(shop)] == ["replay.created"]


def test_killed_while_an_event_is_sent_again_it_is_received_once(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    for number in range(1, 3):
        for when in ("before", "after"):
            name = register_receiver(aws, receiver, application_id=shop)
            [event_id] = happened(shop, *each_second(1))
            body = {"operational_endpoint_id": name}
            replay_id = call(aws, "POST", f"/events/{event_id}/resend", body)[1]["replay_id"]
            with killed_at(number, when, [*SENDS, *WRITES], clients(aws)) as kills:
                run_killed(aws, replay_id)
            assert kills
            assert (found(replay_id).state, found(replay_id).sent) == ("completed", 1)
            deliver_queued(aws, replay_id)
            assert [receipt.webhook_id for receipt in receiver.receipts].count(event_id) == 1


def test_a_step_that_is_overtaken_by_the_cancelling_is_counted_and_the_last(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    name = register_receiver(aws, receiver, application_id=shop)
    happened(shop, *each_second(NUMBER))
    replay_id = begin(aws, name, rate_per_second=100)
    emitter = clients(aws)[2].meta.events

    def cancel(**_: Any) -> None:
        emitter.unregister("after-call.sqs.SendMessageBatch", cancel)
        assert call(aws, "DELETE", f"/replays/{replay_id}")[0] == 204

    emitter.register("after-call.sqs.SendMessageBatch", cancel)
    replay = run(aws, replay_id)
    assert (replay.state, replay.sent) == ("cancelled", len(queued(aws, replay_id)))
    assert 0 < replay.sent < NUMBER
    assert not wake(aws, replay_id)


@pytest.mark.parametrize(("times", "status"), [(1, 204), (3, 409)])
def test_who_cancels_and_loses_to_a_step_looks_again(aws: Aws, times: int, status: int) -> None:
    shop = unique("shop")
    with Receiver() as receiver:
        replay_id = begin(aws, register_receiver(aws, receiver, application_id=shop))
    client = tables.connection_of(tables.Replay).client
    with cancelled(client, "ConditionalCheckFailed", "None", "None", times=times) as cancellations:
        assert call(aws, "DELETE", f"/replays/{replay_id}")[0] == status
    assert len(cancellations) == times
    ended = [item for item in on_record(shop) if item["action"] == "replay.cancelled"]
    assert (found(replay_id).state, len(ended)) == (("cancelled", 1) if status == 204 else ("running", 0))


def test_a_step_whose_record_was_written_and_not_answered_wakes_the_next(aws: Aws, receiver: Receiver) -> None:
    """botocore asks again, and finds that the step is not the next one any more."""
    shop = unique("shop")
    name = register_receiver(aws, receiver, application_id=shop)
    events = happened(shop, *each_second(NUMBER))
    replay_id = begin(aws, name, rate_per_second=100)
    replay = found(replay_id)
    function = aws.function("replayer")

    def as_if_unanswered(event: dict[str, Any]) -> Any:
        """The record is as the step, that is about to be taken, will have it."""
        taken = function.replaying.take_step(replay, SealKeys(SEAL_KEY), lambda: True)
        assert replays.note(replay, taken)
        assert replays.note(replay, taken) is None
        return function.handler(event, Context())

    assert wake(aws, replay_id, as_if_unanswered)
    run(aws, replay_id)
    is_as_it_should_be(aws, replay_id, receiver, events)


def test_two_wake_ups_of_one_step_take_it_once(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    name = register_receiver(aws, receiver, application_id=shop)
    events = happened(shop, *each_second(NUMBER))
    replay_id = begin(aws, name, rate_per_second=100)
    aws.function("replayer").wake_ups.send(replay_id, 0, asked_by="once more")
    run(aws, replay_id)
    assert found(replay_id).step == 3
    is_as_it_should_be(aws, replay_id, receiver, events)
    assert len(queued(aws, replay_id)) == NUMBER
