from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookwatch.observing.signals import (
    MESSAGE_BYTES,
    MESSAGE_EVENTS,
    Attempt,
    EndpointChange,
    Report,
    Signal,
    digest,
    to_reports,
    without_path,
)
from tests.unit.factories import APPLICATION_ID, at, change, failure, report, success

SQS_MESSAGE_BYTES = 200 * 1024


def reports(signals: list[Signal], **other: Any) -> list[Report]:
    told: dict[str, Any] = {
        "application_id": APPLICATION_ID,
        "received_at": at(60),
        "reported_by": "key:k1",
        "batch_id": "batch_1",
    }
    return list(to_reports(signals, **told | other))


def ids(signals: list[Signal], **other: Any) -> list[str]:
    return [one.id for one in reports(signals, **other)]


moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # `timezones` adds it
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
identifiers = st.sampled_from(["e_1", "e_2", "e_3"])
attempts = st.builds(
    Attempt,
    endpoint_id=identifiers,
    message_id=texts,
    attempt_number=st.integers(1, 9),
    succeeded=st.booleans(),
    attempted_at=moments,
    will_retry=st.booleans(),
    response_status_code=st.none() | st.integers(100, 599),
    error=st.none() | st.sampled_from(["timeout", "dns", "tls", "connection", "blocked", "other"]),
    duration_ms=st.none() | st.integers(0, 86_400_000),
    trigger=st.sampled_from(["scheduled", "manual"]),
)
changes = st.builds(
    EndpointChange,
    type=st.sampled_from(
        ["endpoint.created", "endpoint.updated", "endpoint.deleted", "endpoint.enabled", "endpoint.disabled"]
    ),
    endpoint_id=identifiers,
    signal_id=texts,
    occurred_at=moments,
    configuration=st.dictionaries(texts, texts | st.booleans() | st.lists(texts, max_size=2), max_size=3),
    changes=st.none() | st.dictionaries(texts, st.dictionaries(texts, texts | st.none(), max_size=2), max_size=2),
    actor=st.none() | texts,
    trigger=st.sampled_from(["manual", "automatic"]),
    reason=st.none() | texts,
)
signals_of_several = st.lists(attempts | changes, max_size=120)


@settings(deadline=None, max_examples=50)
@given(signals_of_several)
def test_every_signal_is_in_one_report_of_its_own_endpoint_and_in_the_order_of_its_time(signals: list[Signal]) -> None:
    made = reports(signals)

    carried = [signal for one in made for signal in one.signals]
    assert Counter(map(msgspec.json.encode, carried)) == Counter(map(msgspec.json.encode, signals))
    for one in made:
        assert {signal.endpoint_id for signal in one.signals} == {one.endpoint_id}
    for endpoint_id in {one.endpoint_id for one in made}:
        own = [signal.at for one in made if one.endpoint_id == endpoint_id for signal in one.signals]
        assert own == sorted(own)


@settings(deadline=None, max_examples=50)
@given(signals_of_several)
def test_no_report_may_yield_more_events_than_a_transaction_takes(signals: list[Signal]) -> None:
    for one in reports(signals):
        assert sum(signal.events_at_most for signal in one.signals) <= MESSAGE_EVENTS


def test_signals_of_the_same_moment_stay_in_the_order_in_which_they_came() -> None:
    signals: list[Signal] = [
        change("endpoint.enabled", 0),
        change("endpoint.disabled", 0),
        change("endpoint.enabled", 0, signal_id="again"),
    ]

    assert reports(signals)[0].signals == tuple(signals)


def test_any_number_of_healthy_first_attempts_travels_in_one_report_up_to_its_bytes() -> None:
    assert len(reports([success(second) for second in range(1000)])) == 1


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (success(0), 0),
        (success(0, attempt_number=2), 1),
        (failure(0, attempt_number=3), 0),
        (failure(0, attempt_number=4), 1),
        (failure(0, will_retry=False), 1),
    ],
)
def test_only_a_late_or_last_failure_and_a_repeated_success_may_yield_an_event(signal: Signal, expected: int) -> None:
    assert signal.events_at_most == expected


@pytest.mark.parametrize(("count", "expected"), [(40, [40]), (41, [40, 1]), (100, [40, 40, 20])])
def test_a_report_carries_at_most_forty_attempts_that_may_yield_an_event(count: int, expected: list[int]) -> None:
    exhausting: list[Signal] = [failure(second, will_retry=False) for second in range(count)]

    assert [len(one.signals) for one in reports(exhausting)] == expected


@pytest.mark.parametrize("letter", ["x", "é", '"', "\x00"])
def test_no_report_is_longer_than_200_kilobytes(letter: str) -> None:
    updates: list[Signal] = [
        change("endpoint.updated", second, changes={"description": {"from": letter * 1500, "to": letter * 1500}})
        for second in range(1000)
    ]
    attempts_: list[Signal] = [success(second, message_id="m" * 256) for second in range(1000)]
    made = [*reports(updates), *reports(attempts_)]

    assert max(len(one.to_json().encode()) for one in made) <= SQS_MESSAGE_BYTES
    for one in made:
        assert sum(len(msgspec.json.encode(signal)) for signal in one.signals) <= MESSAGE_BYTES


def test_what_is_alone_too_long_for_a_report_is_not_lost() -> None:
    huge: list[Signal] = [
        change("endpoint.updated", second, configuration={"description": "x" * MESSAGE_BYTES}) for second in range(2)
    ]

    assert [len(one.signals) for one in reports(huge)] == [1, 1]


SOME: list[Signal] = [*(failure(second, will_retry=False) for second in range(100)), change("endpoint.deleted", 200)]


def test_the_same_signals_make_the_same_ids_whenever_they_are_received() -> None:
    assert ids(SOME) == ids(SOME, received_at=at(999), batch_id="another", reported_by="key:k2")
    assert len(set(ids(SOME))) == len(ids(SOME)) > 1


def test_the_same_signals_in_another_order_make_the_same_ids() -> None:
    assert ids(SOME) == ids(SOME[::-1])


@pytest.mark.parametrize("other", [{"idempotency_key": "k"}, {"application_id": "another"}])
def test_another_idempotency_key_or_application_makes_other_ids(other: dict[str, str]) -> None:
    assert set(ids(SOME)).isdisjoint(ids(SOME, **other))


def test_another_signal_makes_another_id() -> None:
    assert ids([failure(0)]) != ids([success(0)]) != ids([success(0, duration_ms=1)])


def test_a_group_is_one_endpoint_of_one_application_and_no_longer_than_sqs_takes() -> None:
    one = report(success(0))

    assert one.group_id == report(failure(9)).group_id
    assert one.group_id != msgspec.structs.replace(one, application_id="another").group_id
    assert one.group_id != msgspec.structs.replace(one, endpoint_id="another").group_id
    assert len(msgspec.structs.replace(one, application_id="a" * 256, endpoint_id="e" * 256).group_id) <= 128


@settings(deadline=None, max_examples=100)
@given(st.lists(texts, max_size=3), st.lists(texts, max_size=3))
def test_different_lists_of_parts_have_different_digests(parts: list[str], others: list[str]) -> None:
    assert (digest(*parts) == digest(*others)) is (parts == others)


@settings(deadline=None, max_examples=100)
@given(st.lists(attempts | changes, min_size=1, max_size=5))
def test_a_report_reads_as_it_was_written(signals: list[Signal]) -> None:
    for one in reports(signals):
        assert Report.from_json(one.to_json()) == one


def test_times_in_any_zone_read_as_the_same_moment() -> None:
    elsewhere = msgspec.structs.replace(
        success(0), attempted_at=datetime.fromisoformat("2026-11-23T15:30:00.123456+05:30")
    )

    (signal,) = Report.from_json(reports([elsewhere])[0].to_json()).signals
    assert signal.at == at(0) + timedelta(microseconds=123456)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", "{", '{"id": "x"}', "\ud800", report(success(0)).to_json()[:-1]]
)
def test_what_is_no_report_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Report.from_json(text)


# ── without paths ──


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://erp.example.com/hooks/t0ken", "https://erp.example.com"),
        ("http://127.0.0.1:8000/t0ken", "http://127.0.0.1:8000"),
        ("https://[2001:db8::1]:8443/t0ken", "https://[2001:db8::1]:8443"),
        ("HTTPS://erp.example.com/t0ken", "HTTPS://erp.example.com"),
        ("https://erp.example.com?t0ken", "https://erp.example.com"),
        ("https://erp.example.com#t0ken", "https://erp.example.com"),
        ("https://erp.example.com\\t0ken", "https://erp.example.com"),
        ("https://erp.example.com", "https://erp.example.com"),
        ("https://b[/t0ken", "https://b["),
        ("https:///t0ken", "https://"),
    ],
)
def test_a_url_without_its_path_is_scheme_and_host(url: str, told: str) -> None:
    changes = {"url": {"from": url, "to": None}, "targets": {"to": [{"primary": url}, "no URL", 5]}}
    signal = without_path(change("endpoint.updated", 1, configuration={"url": url, "labels": {}}, changes=changes))

    assert isinstance(signal, EndpointChange)
    assert signal.configuration == {"url": told, "labels": {}}
    assert signal.changes == {"url": {"from": told, "to": None}, "targets": {"to": [{"primary": told}, "no URL", 5]}}


@pytest.mark.parametrize("signal", [success(1), change("endpoint.deleted", 1)])
def test_a_signal_that_has_no_url_stays_as_it_is(signal: Signal) -> None:
    assert without_path(signal) == signal


def test_a_change_of_the_path_alone_stays_a_fact_of_its_own() -> None:
    one, other = (
        change("endpoint.updated", 1, signal_id=path, configuration={"url": f"https://erp.example.com/{path}"})
        for path in ("a", "b")
    )

    assert ids([without_path(one)]) != ids([without_path(other)])
