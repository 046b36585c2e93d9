import gzip
import json
import tracemalloc
import zlib
from datetime import timedelta
from typing import Any

import pytest

from hookwatch.errors import Problem
from hookwatch.observing import bodies, incidents, privacy, reports
from hookwatch.observing.health import Health
from hookwatch.observing.reports import Checked
from hookwatch.observing.signals import Attempt, EndpointChange, Report
from hookwatch.policy import Policy
from tests.unit.factories import APPLICATION_ID, ENDPOINT_ID, START, at, report, schema_errors

SECRET = "s3cr3t"  # what must not come out again
NOW = "2026-11-23T10:00:00Z"
SUCCEEDED = {
    "type": "message.attempt",
    "endpoint_id": ENDPOINT_ID,
    "message_id": "m_17",
    "attempt_number": 1,
    "outcome": "succeeded",
    "attempted_at": NOW,
}
FAILED = {**SUCCEEDED, "outcome": "failed", "response_status_code": 503, "will_retry": True}
UPDATED = {"type": "endpoint.updated", "endpoint_id": ENDPOINT_ID, "occurred_at": NOW}


def body(*signals: Any) -> bytes:
    return json.dumps({"application_id": APPLICATION_ID, "signals": signals}).encode()


def check(*signals: Any, is_strict: bool = False) -> Checked:
    return reports.check(body(*signals), received_at=START, is_strict=is_strict)


def refused(content: bytes, *, is_strict: bool = False) -> Problem:
    with pytest.raises(Problem) as caught:
        reports.check(content, received_at=START, is_strict=is_strict)
    return caught.value


def changed(signal: dict[str, Any]) -> EndpointChange:
    (accepted,) = check(signal).signals
    assert isinstance(accepted, EndpointChange)
    return accepted


# ── accepted ──


def test_the_examples_of_the_contract_are_accepted() -> None:
    attempt = {
        **FAILED,
        "attempt_number": 4,
        "error": None,
        "duration_ms": 812,
        "trigger": "scheduled",
    }
    update = {
        **UPDATED,
        "url": "https://b.example/",
        "actor": "user:42",
        "changes": {"url": {"from": "https://a.example/", "to": "https://b.example/"}},
        "labels": {"tier": "gold"},
    }

    checked = check(attempt, update)

    assert checked.application_id == APPLICATION_ID
    assert (checked.rejected, checked.ignored, checked.unknown_fields) == ((), (), 0)
    assert checked.signals[0] == Attempt(
        endpoint_id=ENDPOINT_ID,
        message_id="m_17",
        attempt_number=4,
        succeeded=False,
        attempted_at=START,
        will_retry=True,
        response_status_code=503,
        duration_ms=812,
    )
    assert isinstance(checked.signals[1], EndpointChange)
    assert checked.signals[1].configuration == {"url": "https://b.example/", "labels": {"tier": "gold"}}
    assert checked.signals[1].changes == update["changes"]
    assert checked.signals[1].actor == "user:42"


@pytest.mark.parametrize(
    "type_", ["endpoint.created", "endpoint.updated", "endpoint.deleted", "endpoint.enabled", "endpoint.disabled"]
)
def test_every_type_of_change_is_accepted(type_: str) -> None:
    assert changed({**UPDATED, "type": type_}).type == type_


@pytest.mark.parametrize("error", ["timeout", "dns", "tls", "connection", "blocked", "other"])
def test_every_class_of_error_is_accepted(error: str) -> None:
    assert check({**FAILED, "error": error}).rejected == ()


@pytest.mark.parametrize("count", [1, 1000])
def test_one_to_a_thousand_signals_are_accepted(count: int) -> None:
    assert len(check(*[SUCCEEDED] * count).signals) == count


@pytest.mark.parametrize(
    ("told", "will_retry"),
    [
        ({"will_retry": True}, True),
        ({"will_retry": False}, False),
        ({"will_retry": False, "max_attempts": 9}, False),
        ({"will_retry": None, "max_attempts": 5}, True),
        ({"will_retry": None, "max_attempts": 4}, False),
        ({"will_retry": None, "max_attempts": 3}, False),
    ],
)
def test_will_retry_follows_from_max_attempts_where_it_is_null(told: dict[str, Any], will_retry: bool) -> None:
    (signal,) = check({**FAILED, "attempt_number": 4, **told}).signals

    assert isinstance(signal, Attempt)
    assert signal.will_retry is will_retry


def test_a_success_is_never_retried() -> None:
    (signal,) = check({**SUCCEEDED, "max_attempts": 5}).signals

    assert isinstance(signal, Attempt)
    assert signal.will_retry is False


@pytest.mark.parametrize("seconds", [-7 * 86400, 300])
def test_seven_days_old_and_five_minutes_ahead_are_accepted(seconds: int) -> None:
    checked = check({**SUCCEEDED, "attempted_at": at(seconds).isoformat()})

    assert (len(checked.signals), checked.ignored) == (1, ())


@pytest.mark.parametrize("moment", [at(0) - timedelta(days=7, microseconds=1), at(300.001)])
@pytest.mark.parametrize("is_strict", [False, True])
def test_what_is_older_or_farther_ahead_is_ignored_and_named_by_its_index(moment: Any, is_strict: bool) -> None:
    checked = check(
        SUCCEEDED,
        {**SUCCEEDED, "attempted_at": moment.isoformat()},
        {**UPDATED, "occurred_at": moment.isoformat()},
        is_strict=is_strict,
    )

    assert len(checked.signals) == 1
    assert [item["index"] for item in checked.ignored] == [1, 2]
    assert checked.rejected == ()


@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-11-23T10:00:00-00:00"]
)
def test_no_time_is_too_extreme_to_be_judged(moment: str) -> None:
    assert check({**SUCCEEDED, "attempted_at": moment}).rejected == ()


def test_unknown_fields_are_ignored_and_counted() -> None:
    checked = check({**SUCCEEDED, "tenant": 1, "node": 2}, {**UPDATED, "attempted_at": NOW})

    assert len(checked.signals) == 2
    assert checked.unknown_fields == 3


def test_the_same_change_has_the_same_id_and_another_another() -> None:
    told = {**UPDATED, "url": "https://a.example/", "actor": "user:42"}

    assert changed(told).signal_id == changed(dict(reversed(told.items()))).signal_id
    for other in ({"actor": "user:43"}, {"occurred_at": "2026-11-23T09:00:00Z"}, {"type": "endpoint.created"}):
        assert changed(told | other).signal_id != changed(told).signal_id


def test_what_the_platform_says_a_field_has_become_is_known_of_the_endpoint() -> None:
    changes = {"url": {"from": "https://a.example/", "to": "https://b.example/"}, "is_enabled": {"to": False}}

    assert changed({**UPDATED, "changes": changes}).configuration == {"url": "https://b.example/", "is_enabled": False}


# ── secrets ──

WITH_SECRETS = f"https://user:{SECRET}@a.example:8443/hooks?token={SECRET}#{SECRET}"


def test_urls_lose_userinfo_query_and_fragment() -> None:
    signal = changed({**UPDATED, "url": WITH_SECRETS, "changes": {"url": {"from": WITH_SECRETS, "to": WITH_SECRETS}}})

    assert signal.configuration["url"] == "https://a.example:8443/hooks"
    assert signal.changes == {"url": {"from": "https://a.example:8443/hooks", "to": "https://a.example:8443/hooks"}}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example", "https://a.example"),
        ("http://[2606:4700::1]:80/x;y", "http://[2606:4700::1]:80/x;y"),
        (f"https://a:b:{SECRET}@x@a.example/", "https://a.example/"),
        (f"https://a.example?{SECRET}", "https://a.example"),
        (f"https://a.example/\n?{SECRET}", "https://a.example/"),
    ],
)
def test_without_secrets_keeps_scheme_host_port_and_path(url: str, expected: str) -> None:
    assert privacy.without_secrets(url) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {"from": {"authorization": SECRET}, "to": None}},
        {"Headers": {"to": {"authorization": SECRET}}},
        {"secret": {"from": SECRET, "to": SECRET}},
        {"secrets": {"from": [SECRET], "to": [SECRET]}},
        {"target": {"from": {"url": "https://a.example/", "headers": {"authorization": SECRET}}, "to": None}},
        {"target": {"to": {"http": [{"Secret": SECRET}]}}},
        {"target.headers": {"to": {"authorization": SECRET}}},
        {"headers.X-Api-Key": {"to": SECRET}},
        {"headers[0]": {"to": SECRET}},
        {"custom_headers": {"to": SECRET}},
        {"httpHeaders": {"to": {"x": SECRET}}},
        {"signing_secret": {"to": SECRET}},
        {"webhook-secret": {"to": SECRET}},
        {"clientSecret": {"to": SECRET}},
        {"api_key": {"to": SECRET}},
        {"target": {"to": {"apiKey": SECRET, "access_token": SECRET}}},
        {"basicAuth": {"to": SECRET}},
        {"auth": {"to": {"user": SECRET}}},
        {"note": {"to": f"https://a.example/ and https://u:{SECRET}@b.example/"}},
        {"note": {"to": f"see https://u:{SECRET}@a.example/?k={SECRET} and http://{SECRET}@b.example/"}},
        {"URL": {"to": WITH_SECRETS}},
        {"target": {"to": {"url": WITH_SECRETS}}},
    ],
)
def test_headers_and_secrets_never_get_into_changes(changes: dict[str, Any]) -> None:
    signal = changed({**UPDATED, "changes": changes, "headers": {"authorization": SECRET}, "secret": SECRET})

    assert SECRET not in report(signal).to_json()


# ── rejected ──

MALFORMED: list[tuple[dict[str, Any], list[Any]]] = [
    ({**SUCCEEDED, "endpoint_id": ""}, ["endpoint_id"]),
    ({**SUCCEEDED, "endpoint_id": "*"}, ["endpoint_id"]),
    ({**SUCCEEDED, "endpoint_id": f"{SECRET} {SECRET}"}, ["endpoint_id"]),
    ({**SUCCEEDED, "endpoint_id": f"{SECRET}\n"}, ["endpoint_id"]),
    ({**SUCCEEDED, "endpoint_id": SECRET * 50}, ["endpoint_id"]),
    ({**SUCCEEDED, "endpoint_id": 17}, ["endpoint_id"]),
    ({**SUCCEEDED, "message_id": f"é{SECRET}"}, ["message_id"]),
    ({**SUCCEEDED, "message_id": None}, ["message_id"]),
    ({**SUCCEEDED, "attempt_number": 0}, ["attempt_number"]),
    ({**SUCCEEDED, "attempt_number": SECRET}, ["attempt_number"]),
    ({**SUCCEEDED, "attempt_number": "4"}, ["attempt_number"]),
    ({**SUCCEEDED, "attempt_number": True}, ["attempt_number"]),
    ({**SUCCEEDED, "attempt_number": 10**30}, ["attempt_number"]),
    ({**SUCCEEDED, "outcome": SECRET}, ["outcome"]),
    ({**SUCCEEDED, "attempted_at": SECRET}, ["attempted_at"]),
    ({**SUCCEEDED, "attempted_at": "2026-11-23T10:00:00"}, ["attempted_at"]),
    ({**SUCCEEDED, "attempted_at": "2026-13-23T10:00:00Z"}, ["attempted_at"]),
    ({**SUCCEEDED, "attempted_at": None}, ["attempted_at"]),
    ({**SUCCEEDED, "response_status_code": 99}, ["response_status_code"]),
    ({**SUCCEEDED, "response_status_code": 600}, ["response_status_code"]),
    ({**SUCCEEDED, "error": SECRET}, ["error"]),
    ({**SUCCEEDED, "duration_ms": -1}, ["duration_ms"]),
    ({**SUCCEEDED, "duration_ms": "7"}, ["duration_ms"]),
    ({**SUCCEEDED, "duration_ms": True}, ["duration_ms"]),
    ({**SUCCEEDED, "duration_ms": SECRET}, ["duration_ms"]),
    ({**SUCCEEDED, "trigger": SECRET}, ["trigger"]),
    ({**FAILED, "will_retry": None}, []),
    ({**FAILED, "will_retry": SECRET}, ["will_retry"]),
    ({**FAILED, "max_attempts": 0}, ["max_attempts"]),
    ({**UPDATED, "occurred_at": SECRET}, ["occurred_at"]),
    ({**UPDATED, "url": f"ftp://{SECRET}/"}, ["url"]),
    ({**UPDATED, "url": f"javascript:{SECRET}"}, ["url"]),
    ({**UPDATED, "url": f"https://{SECRET}/{'x' * 2048}"}, ["url"]),
    ({**UPDATED, "url": f"https://[{SECRET}"}, ["url"]),
    ({**UPDATED, "url": f"https://user:{SECRET}@a\u2100b.example/"}, ["url"]),
    ({**UPDATED, "description": SECRET * 1000}, ["description"]),
    ({**UPDATED, "description": f"\ud800{SECRET}"}, ["description"]),
    ({**UPDATED, "is_enabled": SECRET}, ["is_enabled"]),
    ({**UPDATED, "labels": {f"k{n}": SECRET for n in range(11)}}, ["labels"]),
    ({**UPDATED, "labels": {"k": SECRET * 100}}, ["labels", "k"]),
    ({**UPDATED, "labels": {"k": 5}}, ["labels", "k"]),
    ({**UPDATED, "labels": [SECRET]}, ["labels"]),
    ({**UPDATED, "actor": SECRET * 100}, ["actor"]),
    ({**UPDATED, "trigger": SECRET}, ["trigger"]),
    ({**UPDATED, "changes": [SECRET]}, ["changes"]),
    ({**UPDATED, "changes": {f"k{n}": {} for n in range(21)}}, ["changes"]),
    ({**UPDATED, "changes": {"url": SECRET}}, ["changes", "url"]),
    ({**UPDATED, "changes": {"k": {"from": SECRET * 2000}}}, []),
    ({**UPDATED, "changes": {"k": {"to": f"\ud800{SECRET}"}}}, []),
    ({**UPDATED, "changes": {"url": {"to": f"https://user:{SECRET}@a\u2100b.example/"}}}, []),
    ({**UPDATED, "type": SECRET}, []),
    ({**UPDATED, "type": [SECRET]}, []),
    ({"endpoint_id": SECRET}, []),
    ({}, []),
]


@pytest.mark.parametrize(("malformed", "loc"), MALFORMED)
def test_a_malformed_signal_is_rejected_with_its_index_and_place_and_the_rest_is_accepted(
    malformed: dict[str, Any], loc: list[Any]
) -> None:
    checked = check(SUCCEEDED, malformed, UPDATED)

    assert len(checked.signals) == 2
    assert checked.ignored == ()
    assert {item["index"] for item in checked.rejected} == {1}
    assert checked.rejected[0]["loc"][: len(loc)] == loc
    assert all(set(item) == {"index", "loc", "msg"} and item["msg"] for item in checked.rejected)
    json.dumps(checked.rejected)


@pytest.mark.parametrize("item", [None, 5, "x", True, [], [SUCCEEDED], 1.5])
def test_what_is_no_object_is_rejected(item: Any) -> None:
    checked = check(item, SUCCEEDED)

    assert len(checked.signals) == 1
    assert {problem["index"] for problem in checked.rejected} == {0}


FORBIDDEN = (SECRET, "pydantic", "instance of", "codec", "netloc", "Value error", "\ud800")


@pytest.mark.parametrize("malformed", [malformed for malformed, _ in MALFORMED])
def test_what_is_said_of_a_malformed_signal_holds_neither_what_was_sent_nor_a_library(
    malformed: dict[str, Any],
) -> None:
    rejected = check(malformed).rejected

    assert [item["msg"] for item in rejected for word in FORBIDDEN if word in item["msg"]] == []
    assert SECRET not in json.dumps([item["loc"] for item in rejected])


@pytest.mark.parametrize("field", ["author", "tokens_per_minute_", "keyboard", "api", "heading", "timeout_ms"])
def test_a_field_that_only_looks_like_a_secret_is_told(field: str) -> None:
    signal = changed({**UPDATED, "changes": {field: {"from": 1, "to": 2}}})

    assert isinstance(signal, EndpointChange)
    assert bool(signal.changes) is not field.startswith("token")


@pytest.mark.parametrize("field", ["url", "description"])
@pytest.mark.parametrize("value", [5, ["x"], {"x": 1}, True])
def test_a_change_to_something_that_the_field_cannot_be_makes_no_event_that_breaks_its_schema(
    field: str, value: Any
) -> None:
    checked = check({**UPDATED, "changes": {field: {"from": "a", "to": value}}})
    health = Health(application_id=APPLICATION_ID, endpoint_id=ENDPOINT_ID)

    _, events = incidents.fold(health, [report(signal) for signal in checked.signals], {}, Policy())

    assert [schema_errors(event) for event in events] == [[]] * len(events)


@pytest.mark.parametrize("value", ["no", None, [], "true"])
def test_a_switch_to_what_is_neither_on_nor_off_is_not_believed(value: Any) -> None:
    checked = check({**UPDATED, "changes": {"is_enabled": {"from": True, "to": value}}})

    assert [
        signal.configuration.get("is_enabled", True) for signal in checked.signals if isinstance(signal, EndpointChange)
    ] in ([], [True], [False])


@pytest.mark.parametrize("depth", [1, 100, 400, 900])
def test_what_is_accepted_can_be_read_off_the_queue(depth: int) -> None:
    nested = body({**UPDATED, "changes": {"k": {"to": "@"}}}).replace(b'"@"', b"[" * depth + b"]" * depth)
    checked = reports.check(nested, received_at=START, is_strict=False)

    for signal in checked.signals:
        assert Report.from_json(report(signal).to_json()).signals == (signal,)


# ── strict ──


def test_strict_refuses_the_whole_request_for_one_malformed_signal() -> None:
    problem = refused(body(SUCCEEDED, {**SUCCEEDED, "attempt_number": 0}, 5), is_strict=True)

    assert (problem.status, problem.id) == (422, "validation_failed")
    assert {error["index"] for error in problem.errors} == {1, 2}


def test_strict_accepts_what_is_well_formed() -> None:
    assert len(check(SUCCEEDED, {**UPDATED, "unknown": 1}, is_strict=True).signals) == 2


# ── refused ──


@pytest.mark.parametrize("is_strict", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"5",
        b'"x"',
        b"[]",
        json.dumps([SUCCEEDED]).encode(),
        json.dumps(SUCCEEDED).encode(),
        b"{",
        b"{}",
        b'{"application_id": "a"}',
        b'{"application_id": "a", "signals": null}',
        b'{"application_id": "a", "signals": {"0": {}}}',
        b'{"application_id": "a", "signals": "x"}',
        body() + b" x",
        body(),
        body(*[SUCCEEDED] * 1001),
        json.dumps({"signals": [SUCCEEDED]}).encode(),
        *(
            json.dumps({"application_id": wrong, "signals": [SUCCEEDED]}).encode()
            for wrong in (None, "", "*", 5, ["a"], "a b", "é", "a\n", "x" * 257)
        ),
        body({**SUCCEEDED, "duration_ms": float("nan")}),
        body({**SUCCEEDED, "unknown": float("inf")}),
        body(SUCCEEDED).replace(b"m_17", b"\xff\xfe"),
        body(SUCCEEDED).decode().encode("utf-16"),
        b"\xef\xbb\xbf" + body(SUCCEEDED),
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"signals":' * 50_000,
        body({**SUCCEEDED, "duration_ms": "@"}).replace(b'"@"', b"9" * 5000),
    ],
    ids=lambda value: str(value[:40]) if isinstance(value, bytes) else str(value),
)
def test_what_is_no_list_of_signals_is_a_422(content: bytes, is_strict: bool) -> None:
    problem = refused(content, is_strict=is_strict)

    assert (problem.status, problem.id) == (422, "validation_failed")
    assert "pydantic" not in f"{problem.detail} {problem.errors}"


def test_a_wrong_application_id_is_named_and_not_repeated() -> None:
    problem = refused(json.dumps({"application_id": f"{SECRET} ", "signals": [SUCCEEDED]}).encode())

    assert problem.errors[0]["loc"] == ["application_id"]
    assert SECRET not in f"{problem.detail} {problem.errors}"


def test_a_megabyte_is_accepted_and_a_byte_more_is_a_413() -> None:
    content = body(SUCCEEDED)
    padded = content + b" " * (1_000_000 - len(content))

    assert len(reports.check(padded, received_at=START, is_strict=False).signals) == 1
    assert (refused(padded + b" ").status, refused(padded + b" ").id) == (413, "too_large")


# ── NDJSON ──


def lines(*signals: Any) -> bytes:
    return b"\n".join(json.dumps(signal).encode() for signal in signals)


def check_lines(
    content: bytes, *, application_id: str | None = APPLICATION_ID, type_: str = reports.NDJSON, is_strict: bool = False
) -> Checked:
    return reports.check(
        content, received_at=START, is_strict=is_strict, content_type=type_, application_id=application_id
    )


@pytest.mark.parametrize(
    "type_", ["application/x-ndjson", "application/x-ndjson; charset=utf-8", "Application/X-NDJSON"]
)
@pytest.mark.parametrize("content", [lines(SUCCEEDED, UPDATED), lines(SUCCEEDED, UPDATED) + b"\n"])
def test_a_signal_a_line_is_the_same_as_a_list_of_them(type_: str, content: bytes) -> None:
    assert check_lines(content, type_=type_) == check(SUCCEEDED, UPDATED)


def test_blank_lines_do_not_count() -> None:
    content = b"\n\r\n \t\n".join([b"", lines(SUCCEEDED), b'{"broken', lines(UPDATED) + b"\r", b""])

    checked = check_lines(content)

    assert len(checked.signals) == 2
    assert [item["index"] for item in checked.rejected] == [1]


@pytest.mark.parametrize(
    ("line", "loc"),
    [
        (b"{", []),
        (b"x", []),
        (b'{"type": NaN}', []),
        (b"\xff\xfe", []),
        (b"\xef\xbb\xbf" + lines(SUCCEEDED), []),
        (b"[" * 100_000, []),
        (lines(SUCCEEDED) + b" " + lines(SUCCEEDED), []),
        (lines(SUCCEEDED) + b"\r" + lines(SUCCEEDED), []),
        (lines({**SUCCEEDED, "application_id": APPLICATION_ID}), ["application_id"]),
        (lines({**SUCCEEDED, "application_id": SECRET}), ["application_id"]),
        (lines({**SUCCEEDED, "attempt_number": SECRET}), ["attempt_number"]),
        (b"null", []),
        (b"[]", []),
        (lines(SUCCEEDED).replace(b"m_17", b"\xff"), []),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_broken_line_is_rejected_with_its_index_and_the_rest_is_accepted(line: bytes, loc: list[str]) -> None:
    checked = check_lines(b"\n".join([lines(SUCCEEDED), line, lines(UPDATED)]))

    assert len(checked.signals) == 2
    assert [(item["index"], item["loc"]) for item in checked.rejected] == [(1, loc)]
    assert SECRET not in json.dumps(checked.rejected)


def test_strict_refuses_all_lines_for_a_broken_one() -> None:
    with pytest.raises(Problem) as caught:
        check_lines(lines(SUCCEEDED) + b"\n{", is_strict=True)

    assert (caught.value.status, caught.value.errors[0]["index"]) == (422, 1)


@pytest.mark.parametrize("content", [b"", b"\n\n", b" \r\n", b"\n".join([b"{}"] * 1001), b"x\n" * 400_000])
def test_no_line_and_more_than_a_thousand_are_a_422(content: bytes) -> None:
    with pytest.raises(Problem, match="422"):
        check_lines(content)


@pytest.mark.parametrize("application_id", [None, "", "*", "a b", "x" * 257])
def test_lines_without_an_application_are_a_422(application_id: str | None) -> None:
    with pytest.raises(Problem) as caught:
        check_lines(lines(SUCCEEDED), application_id=application_id)

    assert (caught.value.status, caught.value.errors[0]["loc"]) == (422, ["application_id"])


def test_lines_of_more_than_a_megabyte_are_a_413() -> None:
    with pytest.raises(Problem, match="413"):
        check_lines(b"\n" * 1_000_001)


# ── gzip ──


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " gzip "])
def test_gzip_is_inflated(encoding: str) -> None:
    assert bodies.inflated(gzip.compress(body(SUCCEEDED)), encoding) == body(SUCCEEDED)


@pytest.mark.parametrize("encoding", ["", "identity", "gzip"])
def test_what_has_been_inflated_on_the_way_stays_as_it_is(encoding: str) -> None:
    assert bodies.inflated(body(SUCCEEDED), encoding) == body(SUCCEEDED)


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "compress", "gzip, gzip", "gzip;q=1", "é"])
def test_another_encoding_is_a_415(encoding: str) -> None:
    with pytest.raises(Problem) as caught:
        bodies.inflated(b"", encoding)

    assert (caught.value.status, caught.value.id) == (415, "unsupported_media_type")


WHOLE = gzip.compress(body(SUCCEEDED))


@pytest.mark.parametrize(
    "content",
    [
        WHOLE[:2],
        WHOLE[:10],
        WHOLE[:-1],
        WHOLE[:-9],
        WHOLE[:-8] + b"\0" * 8,
        WHOLE[:12] + b"\xff" * 8 + WHOLE[20:],
        WHOLE + b"\0",
        WHOLE + WHOLE,
        b"\x1f\x8b" + b"\xff" * 100,
        gzip.compress(b"") * 100_000,
    ],
    ids=lambda content: f"{len(content)} {content[:4]!r}",
)
def test_broken_gzip_is_a_422(content: bytes) -> None:
    with pytest.raises(Problem, match="422"):
        bodies.inflated(content, "gzip")


@pytest.mark.parametrize("size", [0, 1_000_000])
def test_up_to_a_megabyte_is_inflated(size: int) -> None:
    assert len(bodies.inflated(gzip.compress(b" " * size), "gzip")) == size


def bomb(megabytes: int) -> bytes:
    member = zlib.compressobj(9, wbits=31)
    return b"".join(member.compress(b"\0" * 1_000_000) for _ in range(megabytes)) + member.flush()


@pytest.mark.parametrize("content", [gzip.compress(b" " * 1_000_001), bomb(200)], ids=["a byte more", "a bomb"])
def test_what_inflates_to_more_than_a_megabyte_is_a_413_before_it_is_inflated(content: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Problem, match="413"):
            bodies.inflated(content, "gzip")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
