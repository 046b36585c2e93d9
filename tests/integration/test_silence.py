"""How long no signal has come: ingest notes the minute, the sweeper tells."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hookwatch import tables, times
from hookwatch.observing.arrivals import Arrivals, minutes_without
from tests.in_process.aws import Aws
from tests.in_process.signals import START
from tests.integration.test_ingest import attempt, now, post
from tests.integration.test_metrics import emitted
from tests.integration.test_sweeper import sweep

Written = pytest.CaptureFixture[str]
CONFIGURATION = {"type": "endpoint.created", "endpoint_id": "erp", "url": "https://erp.example.com/hooks"}


@pytest.fixture(autouse=True)
def nothing_came_yet(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    Aws.forget("Application")
    monkeypatch.setattr(aws.function("ingest"), "arrivals", Arrivals())  # as a function has it that has just started


def told(aws: Aws, capsys: Written, moment: datetime) -> list[Any]:
    emitted(capsys)
    sweep(aws, moment)
    return emitted(capsys)["MinutesWithoutSignals"]


def test_before_the_first_signal_nothing_is_said_of_silence(aws: Aws, capsys: Written) -> None:
    assert told(aws, capsys, times.now()) == []


@pytest.mark.parametrize(
    "signal", [attempt(), CONFIGURATION | {"occurred_at": now()}], ids=["attempt", "configuration"]
)
def test_from_the_first_signal_on_whole_minutes_without_one_are_told(
    aws: Aws, capsys: Written, signal: dict[str, Any]
) -> None:
    posted_at = times.now()
    assert post(aws, {"application_id": "shop", "signals": [signal]})[0] == 202
    # The request may have come in the minute after `posted_at`, and that is all that is not known.
    for minutes in (0, 1, 2, 10, 1440):
        [told_then] = told(aws, capsys, posted_at + timedelta(minutes=minutes))
        assert max(0, minutes - 2) <= told_then <= max(0, minutes - 1)


def test_what_is_malformed_is_no_signal(aws: Aws, capsys: Written) -> None:
    post(aws, {"application_id": "shop", "signals": [{"type": "message.attempt"}]})
    assert told(aws, capsys, times.now()) == []


def test_a_warm_function_writes_once_a_minute() -> None:
    arrivals, table = Arrivals(), tables.Application
    arrivals.note(START)
    table("*", "arrival").delete()
    arrivals.note(START + timedelta(seconds=59))
    assert minutes_without(START) is None
    arrivals.note(START + timedelta(seconds=60))
    assert minutes_without(START + timedelta(minutes=4)) == 2


def test_of_two_warm_functions_the_later_minute_stays() -> None:
    first, second = Arrivals(), Arrivals()
    second.note(START + timedelta(minutes=1))
    first.note(START)
    assert minutes_without(START + timedelta(minutes=10)) == 8


def test_a_signal_that_is_not_noted_is_taken_and_counted(aws: Aws, capsys: Written) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "UpdateItem")

    events = tables.connection_of(tables.ApplicationTraffic).client.meta.events
    emitted(capsys)
    events.register("before-call.dynamodb.UpdateItem", refuse)
    try:
        assert post(aws, {"application_id": "shop", "signals": [attempt()]})[0] == 202
    finally:
        events.unregister("before-call.dynamodb.UpdateItem", refuse)
    assert emitted(capsys)["MinutesNotCounted"] == [1]
