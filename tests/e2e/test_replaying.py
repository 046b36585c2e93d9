"""Events that happened are delivered once more, on the deployed stack."""

import re
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.e2e.test_notifying import attempts, created, happen, ids, operate, operating, register_proven
from tests.e2e.test_the_main_job import ARRIVES_WITHIN, eventually, register, text, unique
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.controls import depth
from tests.local_cloud.receiver import Receipt, Receiver

NUMBER = 200
PATIENCE = 4 * ARRIVES_WITHIN  # seconds, for so many


def ends(api: Api, replay_id: str, seconds: float = PATIENCE) -> dict[str, Any]:
    ends_at = time.monotonic() + seconds
    while (replay := api.get(f"/replays/{replay_id}").json())["state"] == "running" and time.monotonic() < ends_at:
        time.sleep(0.5)
    return dict(replay)


def replayed(receiver: Receiver) -> list[Receipt]:
    return [receipt for receipt in receiver.accepted() if receipt.headers.get("hookwatch-replayed") == "true"]


def test_hundreds_of_events_are_received_once_more_as_they_were_while_live_ones_go_on(api: Api, stack: Stack) -> None:
    shop, since = unique("shop"), text(datetime.now(UTC) - timedelta(minutes=1))
    with Receiver() as receiver:
        name = register_proven(api, receiver, shop)
        happen(api, shop, NUMBER)
        assert receiver.wait_until(lambda: created(receiver) == NUMBER, PATIENCE)
        first = {receipt.webhook_id: receipt.raw for receipt in receiver.accepted() if receipt.type != "webhook.test"}
        asked = {"since": since, "rate_per_second": 20}
        answer = api.post(f"/{name}/replay", asked)
        assert answer.status_code == 202, answer.text
        replay_id = answer.json()["replay_id"]
        assert api.post(f"/{name}/replay", asked).status_code == 409
        assert receiver.wait_until(lambda: len(replayed(receiver)) >= 20, ARRIVES_WITHIN)
        happen(api, shop)  # live, meanwhile
        assert receiver.wait_until(lambda: len(ids(receiver) - set(first)) == 2, ARRIVES_WITHIN)  # and the test
        assert len(replayed(receiver)) < NUMBER
        ended = ends(api, replay_id)
        assert (ended["state"], ended["counted"], ended["sent"], ended["failed"]) == ("completed", NUMBER, NUMBER, 0)
        assert receiver.wait_until(lambda: len(replayed(receiver)) == NUMBER, PATIENCE)
        assert {receipt.webhook_id: receipt.raw for receipt in replayed(receiver)} == first
        assert all(receipt.is_verified for receipt in receiver.receipts)
        assert eventually(lambda: len(attempts(api, name, replay_id=replay_id, status="delivered")) == NUMBER)
        assert set(Counter(receipt.webhook_id for receipt in replayed(receiver)).values()) == {1}
    moments = sorted(receipt.arrived_at for receipt in replayed(receiver))
    assert moments[-1] - moments[0] >= NUMBER / 20 - 2  # a queue delays by whole seconds
    assert depth(stack, "Replays") == depth(stack, "ReplaysDeadLetters") == 0


def test_what_failed_while_the_receiver_was_out_is_replayed_alone(api: Api) -> None:
    shop, since = unique("shop"), text(datetime.now(UTC) - timedelta(minutes=1))
    is_out = False
    with Receiver(lambda _body, _attempt: 500 if is_out else 200) as receiver:
        name = register(api, receiver, shop, retry={"schedule_seconds": []})
        happen(api, shop, 5)
        assert eventually(lambda: len(attempts(api, name, status="delivered")) == 5)
        is_out = True
        happen(api, shop, 3)
        assert eventually(lambda: len(attempts(api, name, status="exhausted")) == 3)
        is_out = False
        missed = {attempt["event_id"] for attempt in attempts(api, name, status="exhausted")}
        asked = {"since": since, "only": "failed", "rate_per_second": 100}
        counted = ends(api, api.post(f"/{name}/replay", asked | {"dry_run": True}).json()["replay_id"])
        assert (counted["counted"], counted["sent"]) == (3, 0)
        ended = ends(api, api.post(f"/{name}/replay", asked).json()["replay_id"])
        assert (ended["state"], ended["sent"]) == ("completed", 3)
        assert receiver.wait_until(lambda: {each.webhook_id for each in replayed(receiver)} == missed, ARRIVES_WITHIN)
        assert eventually(lambda: api.get(f"/{name}").json()["failing_since"] is None)
        again = ends(api, api.post(f"/{name}/replay", asked).json()["replay_id"])
        assert again["counted"] == 0


def test_one_event_is_sent_again_at_once(api: Api) -> None:
    shop = unique("shop")
    with Receiver() as receiver:
        name = register_proven(api, receiver, shop)
        happen(api, shop)
        assert receiver.wait_until(lambda: created(receiver) == 1, ARRIVES_WITHIN)
        [event_id] = [receipt.webhook_id for receipt in receiver.accepted() if receipt.type == "endpoint.created"]
        for body in ({"operational_endpoint_id": name}, None):
            answer = api.post(f"/events/{event_id}/resend", body)
            assert (answer.status_code, answer.json()["operational_endpoint_ids"]) == (202, [name])
        assert receiver.wait_until(lambda: len(replayed(receiver)) == 2, ARRIVES_WITHIN)
        assert {receipt.webhook_id for receipt in replayed(receiver)} == {event_id}


def test_a_cancelled_replay_ends_within_seconds(api: Api) -> None:
    shop, since = unique("shop"), text(datetime.now(UTC) - timedelta(minutes=1))
    with Receiver() as receiver:
        name = register_proven(api, receiver, shop)
        happen(api, shop, 60)
        assert receiver.wait_until(lambda: created(receiver) == 60, PATIENCE)
        replay_id = api.post(f"/{name}/replay", {"since": since, "rate_per_second": 1}).json()["replay_id"]
        assert receiver.wait_until(lambda: len(replayed(receiver)) >= 1, ARRIVES_WITHIN)
        assert api.delete(f"/replays/{replay_id}").status_code == 204
        assert api.get(f"/replays/{replay_id}").json()["state"] == "cancelled"
        sent = ends(api, replay_id)["sent"]
        assert receiver.wait_until(lambda: len(replayed(receiver)) == sent, ARRIVES_WITHIN)
        assert sent < 60
        assert api.post(f"/{name}/replay", {"since": since, "dry_run": True}).status_code == 202


def test_an_operator_begins_one_sees_how_far_it_is_and_leaves_it_running(api: Api, tmp_path: Path) -> None:
    shop, since = unique("shop"), text(datetime.now(UTC) - timedelta(minutes=1))
    with Receiver() as receiver:
        name = register_proven(api, receiver, shop)
        happen(api, shop, 40)
        assert receiver.wait_until(lambda: created(receiver) == 40, PATIENCE)
        with operating(tmp_path, "replay", "--endpoint", name, "--since", since, "--rate", "2") as begun:
            assert begun.stderr is not None
            assert re.match(r"… \d+ events, \d+ deliveries queued, 0 failed", begun.stderr.readline())
            begun.send_signal(signal.SIGINT)
            [replay_id] = re.findall(r"(rpl_\w+) goes on", begun.stderr.read())
        assert begun.returncode == 130
        assert api.get(f"/replays/{replay_id}").json()["state"] == "running"
        ended = operate(tmp_path, "replay", "--replay", replay_id, "--cancel")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert f"{replay_id} is cancelled" in ended.stdout
        counted = operate(tmp_path, "replay", "--endpoint", name, "--since", since, "--dry-run")
        assert counted.returncode == 0
        assert "completed: 40 events, 0 deliveries queued" in counted.stdout
        refused = operate(tmp_path, "replay")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "ENDPOINT and SINCE" in refused.stderr
