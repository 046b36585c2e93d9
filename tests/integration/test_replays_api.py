"""Routes: a replay, and one event sent again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from hookwatch import tables, times
from hookwatch.notifying import replays
from tests.in_process.api import call
from tests.in_process.auditing import BY_A_TEST, on_record
from tests.in_process.aws import Aws
from tests.in_process.deliveries import register, register_receiver
from tests.in_process.erasing import delete_and_erase
from tests.in_process.replays import SINCE, START, begin, deliver_queued, found, happened, queued, run
from tests.in_process.signals import unique
from tests.integration.test_mutes import mute
from tests.local_cloud.receiver import Receiver


@pytest.fixture
def shop() -> str:
    return unique("shop")


@pytest.fixture
def name(aws: Aws, shop: str) -> str:
    return register(aws, "https://ops.example.com/", application_id=shop)


def test_a_replay_is_shown_as_it_was_asked_for_and_how_far_it_is(aws: Aws, shop: str, name: str) -> None:
    happened(shop, START)
    asked = {"since": SINCE, "types": ["message.attempt.recovered"], "filter": "data.endpoint_id == 'erp'"}
    status, made = call(aws, "POST", f"/{name}/replay", {**asked, "only": "failed", "rate_per_second": 7})
    assert status == 202
    assert {field: made[field] for field in asked} == asked
    assert (made["state"], made["until"], made["counted"]) == ("running", made["created_at"], 0)
    assert (made["only"], made["rate_per_second"], made["dry_run"]) == ("failed", 7, False)
    run(aws, made["replay_id"])
    status, after = call(aws, "GET", f"/replays/{made['replay_id']}")
    assert (status, after["state"], after["counted"], after["sent"]) == (200, "completed", 1, 1)
    assert after["ended_at"] == after["updated_at"]


def test_until_is_now_where_it_lies_ahead(aws: Aws, name: str) -> None:
    ahead = times.to_text(datetime.now(UTC) + timedelta(days=1))
    made = call(aws, "POST", f"/{name}/replay", {"since": SINCE, "until": ahead})[1]
    assert made["until"] == made["created_at"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"since": times.to_text(datetime.now(UTC) + timedelta(hours=1))}, "since"),
        ({"until": SINCE}, "since"),
        ({"until": "2001-01-01T00:00:00Z", "since": "2000-01-01T00:00:00Z"}, "since"),
        ({"types": ["endpoint.exploded"]}, "types"),
        ({"types": ["webhook.test"]}, "types"),
        ({"types": ["hookwatch.heartbeat"]}, "types"),
        ({"filter": "data."}, "filter"),
        ({"only": "some"}, "only"),
        ({"rate_per_second": 0}, "rate_per_second"),
        ({"rate_per_second": 101}, "rate_per_second"),
    ],
)
def test_what_cannot_be_replayed_is_refused_and_nothing_is_running(
    aws: Aws, name: str, wrong: dict[str, Any], field: str
) -> None:
    status, problem = call(aws, "POST", f"/{name}/replay", {"since": SINCE} | wrong)
    assert (status, problem["errors"][0]["loc"][-1]) == (422, field)
    assert replays.running(name) is None


def test_one_replay_runs_at_a_time_to_an_endpoint(aws: Aws, shop: str, name: str) -> None:
    first = begin(aws, name)
    status, problem = call(aws, "POST", f"/{name}/replay", {"since": SINCE})
    assert (status, problem["id"]) == (409, "replay_running")
    assert first in problem["detail"]
    begin(aws, register(aws, "https://ops.example.com/", application_id=shop))  # another's does not count
    run(aws, first)
    begin(aws, name)


def test_of_two_who_ask_at_the_same_moment_one_begins(aws: Aws, shop: str, name: str) -> None:
    """Both have looked, and found none."""
    replay = found(begin(aws, name))
    [entry] = [item for item in on_record(shop) if item["action"] == "replay.created"]
    assert entry["target"] == replay.replay_id
    assert not replays.create(replace(replay, replay_id="rpl_" + "0" * 24), BY_A_TEST)


def test_the_same_request_sent_again_is_the_same_replay(aws: Aws, name: str) -> None:
    key = unique("request")
    made = [call(aws, "POST", f"/{name}/replay", {"since": SINCE}, idempotency_key=key) for _ in range(2)]
    aws.forget("Idempotency")  # the answer was never kept
    made.append(call(aws, "POST", f"/{name}/replay", {"since": SINCE}, idempotency_key=key))
    assert [status for status, _ in made] == [202] * 3
    assert len({answer["replay_id"] for _, answer in made}) == 1
    aws.forget("Idempotency")
    other = call(aws, "POST", f"/{name}/replay", {"since": SINCE, "dry_run": True}, idempotency_key=key)
    assert (other[0], other[1]["id"]) == (409, "idempotency_conflict")


def test_a_cancelled_replay_queues_nothing_more(aws: Aws, shop: str, name: str) -> None:
    happened(shop, START)
    replay_id = begin(aws, name)
    assert call(aws, "DELETE", f"/replays/{replay_id}")[0] == 204
    assert call(aws, "DELETE", f"/replays/{replay_id}")[0] == 204
    replay = run(aws, replay_id)
    assert (replay.state, replay.sent, queued(aws, replay_id)) == ("cancelled", 0, [])
    assert [item["action"] for item in on_record(shop)].count("replay.cancelled") == 1
    begin(aws, name)


def test_what_has_ended_stays_as_it_is(aws: Aws, shop: str, name: str) -> None:
    replay_id = begin(aws, name)
    run(aws, replay_id)
    assert call(aws, "DELETE", f"/replays/{replay_id}")[0] == 204
    assert found(replay_id).state == "completed"
    assert "replay.cancelled" not in [item["action"] for item in on_record(shop)]


def test_a_replay_is_kept_for_30_days_after_its_end(aws: Aws, name: str) -> None:
    replay_id = begin(aws, name)
    table = tables.Replay
    assert table.get(replay_id).expires_at is None
    run(aws, replay_id)
    ends = table.get(replay_id).expires_at or 0
    assert timedelta(days=29) < datetime.fromtimestamp(ends, UTC) - datetime.now(UTC) <= timedelta(days=30)
    table(replay_id).update([table.expires_at.set(1)])
    assert call(aws, "GET", f"/replays/{replay_id}")[0] == 404


def test_to_a_disabled_endpoint_nothing_is_replayed(aws: Aws, shop: str) -> None:
    off = register(aws, "https://ops.example.com/", application_id=shop, is_enabled=False)
    [event_id] = happened(shop, START)
    for path, body in (
        (f"/{off}/replay", {"since": SINCE}),
        (f"/events/{event_id}/resend", {"operational_endpoint_id": off}),
    ):
        status, problem = call(aws, "POST", path, body)
        assert (status, problem["id"]) == (409, "disabled")


def test_what_is_of_another_application_is_not_there(aws: Aws, shop: str, name: str) -> None:
    other = unique("other")
    [event_id], [others] = happened(shop, START), happened(other, START)
    replay_id = begin(aws, name)
    asked: list[tuple[str, str, Any]] = [
        ("POST", f"/{name}/replay", {"since": SINCE}),
        ("GET", f"/replays/{replay_id}", None),
        ("DELETE", f"/replays/{replay_id}", None),
        ("POST", f"/events/{event_id}/resend", {}),
        ("POST", f"/events/{others}/resend", {"operational_endpoint_id": name}),
    ]
    for method, path, body in asked:
        assert call(aws, method, path, body, applications=other)[0] == 404, path
    # Though the key is for both, the endpoint is not for the event.
    assert call(aws, "POST", f"/events/{others}/resend", {"operational_endpoint_id": name})[0] == 404
    assert call(aws, "GET", f"/replays/active%23{name}")[0] == 404
    assert call(aws, "GET", f"/replays/active#{name}")[0] == 404


def test_an_event_is_sent_again_to_whom_somebody_names_whatever_that_asks_for(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    name = register_receiver(aws, receiver, application_id=shop, filter_types=("endpoint.failing",))
    register(aws, "https://ops.example.com/", application_id=shop)
    [event_id] = happened(shop, START)
    status, answer = call(aws, "POST", f"/events/{event_id}/resend", {"operational_endpoint_id": name})
    assert (status, answer["operational_endpoint_ids"]) == (202, [name])
    replay = run(aws, answer["replay_id"])
    assert (replay.state, replay.counted, replay.sent, replay.failed) == ("completed", 1, 1, 0)
    deliver_queued(aws, answer["replay_id"])
    [receipt] = receiver.accepted()
    assert (receipt.webhook_id, receipt.headers["hookwatch-replayed"]) == (event_id, "true")
    shown = call(aws, "GET", f"/replays/{answer['replay_id']}")[1]
    assert (shown["event_id"], shown["operational_endpoint_id"], shown["since"]) == (event_id, None, None)
    [entry] = [item for item in on_record(shop) if item["action"] == "event.resent"]
    assert (entry["target"], name in str(entry["after"])) == (event_id, True)


def test_without_a_name_it_is_sent_to_all_that_ask_for_it_and_the_key_sees(aws: Aws, shop: str, name: str) -> None:
    everywhere = register(aws, "https://ops.example.com/", application_id="*")
    register(aws, "https://ops.example.com/", application_id=shop, filter_types=("endpoint.failing",))
    register(aws, "https://ops.example.com/", application_id=shop, filter="data.endpoint_id == 'crm'")
    register(aws, "https://ops.example.com/", application_id=shop, is_enabled=False)
    [event_id] = happened(shop, START)
    path = f"/events/{event_id}/resend"
    assert call(aws, "POST", path, applications=shop)[1]["operational_endpoint_ids"] == [name]
    answer = call(aws, "POST", path)[1]
    assert sorted(answer["operational_endpoint_ids"]) == sorted([name, everywhere])
    run(aws, answer["replay_id"])
    assert {each.operational_endpoint_id for each in queued(aws, answer["replay_id"])} == {name, everywhere}
    tables.OperationalEndpoint(everywhere).delete()


def test_of_what_is_muted_only_who_is_named_is_told(aws: Aws, shop: str, name: str) -> None:
    mute(aws, shop)
    [event_id] = happened(shop, datetime.now(UTC))
    path = f"/events/{event_id}/resend"
    assert call(aws, "POST", path, {})[1]["operational_endpoint_ids"] == []
    assert call(aws, "POST", path, {"operational_endpoint_id": name})[1]["operational_endpoint_ids"] == [name]


def test_who_is_gone_meanwhile_is_counted_as_failed(aws: Aws, shop: str, name: str) -> None:
    [event_id] = happened(shop, START)
    answer = call(aws, "POST", f"/events/{event_id}/resend", {})[1]
    call(aws, "DELETE", f"/{name}")
    replay = run(aws, answer["replay_id"])
    assert (replay.state, replay.sent, replay.failed) == ("completed", 0, 1)


def test_an_event_that_is_gone_meanwhile_ends_it(aws: Aws, shop: str, name: str) -> None:
    [event_id] = happened(shop, START)
    answer = call(aws, "POST", f"/events/{event_id}/resend", {"operational_endpoint_id": name})[1]
    tables.OperationalEvent(event_id).delete()
    replay = run(aws, answer["replay_id"])
    assert (replay.state, replay.reason, replay.failed) == ("failed", "event_gone", 1)


@pytest.mark.parametrize("type_", ["webhook.test", "hookwatch.heartbeat"])
def test_what_tells_of_a_moment_is_not_sent_again(aws: Aws, shop: str, name: str, type_: str) -> None:
    [event_id] = happened(shop, START, type_=type_, operational_endpoint_id=name, reported_by="x", period_minutes=5)
    status, problem = call(aws, "POST", f"/events/{event_id}/resend", {"operational_endpoint_id": name})
    assert (status, problem["id"]) == (422, "not_replayable")


def test_a_format_that_has_no_word_for_it_is_refused(aws: Aws, shop: str) -> None:
    pager = register(aws, "https://p.example.com/", application_id=shop, format="pagerduty", routing_key="R0" * 16)
    [event_id] = happened(shop, START, type_="endpoint.updated")
    status, problem = call(aws, "POST", f"/events/{event_id}/resend", {"operational_endpoint_id": pager})
    assert (status, problem["errors"][0]["loc"]) == (422, ["operational_endpoint_id"])


def test_an_event_past_its_time_is_gone(aws: Aws, shop: str, name: str) -> None:
    [event_id] = happened(shop, START)
    tables.OperationalEvent(event_id).update([tables.OperationalEvent.expires_at.set(1)])
    assert call(aws, "POST", f"/events/{event_id}/resend", {"operational_endpoint_id": name})[0] == 404
    replay_id = begin(aws, name)
    assert run(aws, replay_id).counted == 0


def test_the_same_resend_sent_again_is_received_once(aws: Aws, receiver: Receiver) -> None:
    shop = unique("shop")
    register_receiver(aws, receiver, application_id=shop)
    [event_id] = happened(shop, START)
    key = unique("request")
    answers = []
    for _ in range(2):
        answers.append(call(aws, "POST", f"/events/{event_id}/resend", {}, idempotency_key=key)[1])
        aws.forget("Idempotency")
    assert answers[0] == answers[1]
    run(aws, answers[0]["replay_id"])
    deliver_queued(aws, answers[0]["replay_id"])
    call(aws, "POST", f"/events/{event_id}/resend", {})
    assert len(receiver.accepted()) == 1


def test_a_replay_is_exported_and_erased_with_its_application(aws: Aws, shop: str, name: str) -> None:
    replay_id = begin(aws, name)
    lines = call(aws, "GET", f"/applications/{shop}/export", limit="1000")[1]["data"]
    assert [line["item"]["replay_id"] for line in lines if line["kind"] == "replay"] == [replay_id]
    delete_and_erase(aws, shop)
    assert not [item for item in aws.items("Replay") if shop in str(item)]
    assert replays.running(name) is None
