"""OperationalEvent, asked for by an operator → DELIVERIES, RETRIES."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hookwatch import event_items, times
from hookwatch.operational_events import OperationalEvent
from tests.in_process.aws import Aws
from tests.in_process.deliveries import deliver, owed, record, register, register_receiver
from tests.in_process.signals import unique
from tests.integration.test_mutes import mute
from tests.local_cloud.receiver import Receiver

LATER = datetime.now(UTC) + timedelta(minutes=30)  # after every endpoint that the tests register, or mute


@pytest.fixture(autouse=True)
def empty_queues(aws: Aws) -> None:
    aws.renew("Deliveries", "Retries")


def happened(application_id: str, *, at: datetime = LATER, detected_at: datetime | None = None) -> str:
    """An event that was written and never emitted."""
    event = OperationalEvent(
        event_id=unique("evt"),
        application_id=application_id,
        type="message.attempt.recovered",
        timestamp=at,
        data={
            "endpoint_id": "erp",
            "endpoint_url": None,
            "message_id": "m",
            "detected_at": times.to_text(detected_at or at),
            "dedup_key": "message:erp:m",
        },
    )
    event_items.create(event, retention_days=30)
    return event.event_id


def reemit(aws: Aws, **request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = aws.invoke("reemitter", {"since": times.to_text(LATER)} | request)
    return answer


def queued(aws: Aws) -> list[tuple[str, str]]:
    bodies = [json.loads(message["body"]) for message in aws.take("Deliveries")]
    return [(body["event_id"], body["operational_endpoint_id"]) for body in bodies]


def test_what_nobody_has_attempted_is_queued_and_asking_again_queues_it_again_until_it_is(aws: Aws) -> None:
    shop = unique("shop")
    with Receiver() as receiver:
        done, missed = (register_receiver(aws, receiver, application_id=shop) for _ in range(2))
        event_id = happened(shop)
        deliver(aws, record(owed(done, event_id)))
        assert reemit(aws, application_id=shop) == {"events": 1, "deliveries": 1, "failed": 0, "cursor": None}
        [message] = aws.take("Deliveries")
        body = json.loads(message["body"])
        assert (body["event_id"], body["operational_endpoint_id"]) == (event_id, missed)
        assert deliver(aws, message) == []
    assert reemit(aws, application_id=shop) == {"events": 1, "deliveries": 0, "failed": 0, "cursor": None}
    assert len(receiver.accepted()) == 2


def test_an_endpoint_that_did_not_exist_by_then_is_owed_nothing(aws: Aws) -> None:
    shop = unique("shop")
    register(aws, "https://ops.example.com/", application_id=shop)  # as of 2026-11-23T10:00
    before = datetime(2026, 11, 23, 9, 59, tzinfo=UTC)
    happened(shop, at=before)
    assert reemit(aws, application_id=shop, since="2026-11-23T09:00:00Z")["deliveries"] == 0
    happened(shop, at=before, detected_at=before + timedelta(hours=1))  # it happened earlier, but nobody knew
    assert reemit(aws, application_id=shop, since="2026-11-23T09:00:00Z")["deliveries"] == 1


def test_the_spell_is_when_hookwatch_learned_of_it_and_its_end_is_not_in_it(aws: Aws) -> None:
    shop = unique("shop")
    register(aws, "https://ops.example.com/", application_id=shop)
    first, second = happened(shop), happened(shop, at=LATER - timedelta(days=2), detected_at=LATER + timedelta(hours=1))
    reemit(aws, application_id=shop, until=times.to_text(LATER + timedelta(hours=1)))
    assert [event_id for event_id, _ in queued(aws)] == [first]
    reemit(aws, application_id=shop, since=times.to_text(LATER + timedelta(minutes=1)))
    assert [event_id for event_id, _ in queued(aws)] == [second]


def test_a_dry_run_counts_and_queues_nothing(aws: Aws) -> None:
    shop = unique("shop")
    register(aws, "https://ops.example.com/", application_id=shop)
    happened(shop)
    assert reemit(aws, application_id=shop, dry_run=True)["deliveries"] == 1
    assert queued(aws) == []


def test_what_is_muted_switched_off_or_not_asked_for_is_owed_nothing(aws: Aws) -> None:
    shop = unique("shop")
    register(aws, "https://ops.example.com/", application_id=shop, filter_types=("endpoint.failing",))
    register(aws, "https://ops.example.com/", application_id=shop, is_enabled=False)
    happened(shop)
    assert reemit(aws, application_id=shop)["deliveries"] == 0
    register(aws, "https://ops.example.com/", application_id=shop)
    assert reemit(aws, application_id=shop)["deliveries"] == 1
    mute(aws, shop)
    afterwards = datetime.now(UTC) + timedelta(minutes=10)
    happened(shop, at=afterwards)
    assert reemit(aws, application_id=shop, since=times.to_text(afterwards))["deliveries"] == 0


def test_named_events_are_looked_up_wherever_they_lie_in_time(aws: Aws) -> None:
    shop = unique("shop")
    name = register(aws, "https://ops.example.com/", application_id=shop)
    event_id = happened(shop, at=LATER - timedelta(hours=3), detected_at=LATER)
    happened(shop)
    assert aws.invoke("reemitter", {"event_ids": [event_id, "evt_none"]})["deliveries"] == 1
    assert queued(aws) == [(event_id, name)]


def test_it_goes_on_at_its_cursor_when_its_time_is_up(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = unique("shop")
    register(aws, "https://ops.example.com/", application_id=shop)
    for _ in range(5):
        happened(shop)
    monkeypatch.setattr(aws.function("reemitter"), "_PAGE_EVENTS", 7)
    monkeypatch.setattr(aws.function("reemitter"), "_ENDS_BEFORE_MS", 60_000)  # more than it has
    answers = [reemit(aws, application_id=shop)]
    while answers[-1]["cursor"]:
        answers.append(reemit(aws, application_id=shop, cursor=answers[-1]["cursor"]))
    assert len(answers) > 1
    assert sum(answer["deliveries"] for answer in answers) == 5


@pytest.mark.parametrize("request_", [{"since": "yesterday"}, {"sinse": "2026-11-24T00:00:00Z"}, {"event_ids": "evt"}])
def test_a_request_that_is_none_is_refused_and_nothing_is_queued(aws: Aws, request_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Invalid RFC3339|unknown field|Expected `array`"):
        aws.invoke("reemitter", request_)
    assert queued(aws) == []


def test_the_sample_is_a_request(aws: Aws) -> None:
    assert aws.invoke("reemitter", aws.sample("reemitter"))["cursor"] is None
