"""What a replay costs live events: seconds from a signal's 202 to the receiver, with and without one, in turn."""

import statistics
import time
import uuid
from datetime import UTC, datetime, timedelta

from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.local_cloud.receiver import Receiver
from tests.performance.report import Section, Table

PAST, RATE = 400, 10  # events that are replayed, and how many a second: the default
ROUNDS, EVENTS, EVERY = 3, 50, 0.2  # of live events, each round once with a replay and once without; seconds
WITHIN = 120  # seconds
_REPLAYED = "hookwatch-replayed"


def measure(stack: Stack) -> Section:
    """Both go to the same receiver, which is the worst case: another's events meet the replay only in Lambda."""
    api, shop = Api(stack), f"shop-{uuid.uuid4().hex[:12]}"
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    alone: list[float] = []
    beside: list[float] = []
    with Receiver() as receiver:
        answer = api.post("", {"application_id": shop, "url": receiver.url})
        name = answer.json()["operational_endpoint_id"]
        _report(api, shop, PAST)
        _await(receiver, PAST)
        for number in range(1 + ROUNDS):
            without = _latencies(api, shop, receiver)
            asked = {"since": since, "rate_per_second": RATE}
            replay_id = api.post(f"/{name}/replay", asked).json()["replay_id"]
            seen = _replayed(receiver)
            _await_replayed(receiver, seen + 1)
            meanwhile = _latencies(api, shop, receiver)
            if number:  # the first round pays for cold starts
                alone, beside = alone + without, beside + meanwhile
            if api.get(f"/replays/{replay_id}").json()["state"] != "running":
                raise RuntimeError("the replay had ended before the live events had")
            api.delete(f"/replays/{replay_id}")
            sent = api.get(f"/replays/{replay_id}").json()["sent"]
            _await_replayed(receiver, seen + sent)
        api.delete(f"/{name}")
    rows = [
        (what, *(f"{share * 1000:,.0f}" for share in (statistics.median(found), _p95(found))))
        for what, found in (("alone", alone), (f"beside a replay, {RATE} a second", beside))
    ]
    return Section(
        "Replays",
        f"Live events from a signal's 202 to the receiver that a replay goes to as well, {1 / EVERY:.0f} a second: "
        f"{ROUNDS} rounds of {EVENTS} with a replay, and as many without, in turn.",
        [Table(("live events", "p50, ms", "p95, ms"), rows)],
        [
            f"With a replay the 95th percentile is {_p95(beside) / _p95(alone):.2f} times what it is without. SQS "
            "delays by whole seconds, so a second's deliveries of the replay come together, and while they are made a "
            "live event shares the local cloud's processors with them; on AWS each batch has a function of its own."
        ],
    )


def _report(api: Api, shop: str, number: int) -> list[str]:
    now = datetime.now(UTC).isoformat()
    names = [uuid.uuid4().hex for _ in range(number)]
    signals = [{"type": "endpoint.created", "endpoint_id": name, "occurred_at": now} for name in names]
    api.post_signals(shop, signals).raise_for_status()
    return names


def _latencies(api: Api, shop: str, receiver: Receiver) -> list[float]:
    accepted: dict[str, float] = {}
    live = len(receiver.receipts) - _replayed(receiver)
    for _ in range(EVENTS):
        started = time.monotonic()
        [endpoint_id] = _report(api, shop, 1)
        accepted[endpoint_id] = time.time()
        time.sleep(max(0.0, EVERY - (time.monotonic() - started)))
    _await(receiver, live + EVENTS)
    arrived = {receipt.data["endpoint_id"]: receipt.arrived_at for receipt in reversed(receiver.receipts)}
    return [arrived[endpoint_id] - moment for endpoint_id, moment in accepted.items()]


def _await(receiver: Receiver, live: int) -> None:
    if not receiver.wait_until(lambda: len(receiver.receipts) - _replayed(receiver) >= live, WITHIN):
        raise TimeoutError(f"of {live} live events {len(receiver.receipts) - _replayed(receiver)} arrived")


def _await_replayed(receiver: Receiver, number: int) -> None:
    if not receiver.wait_until(lambda: _replayed(receiver) >= number, WITHIN):
        raise TimeoutError(f"of {number} replayed events {_replayed(receiver)} arrived")


def _replayed(receiver: Receiver) -> int:
    return sum(_REPLAYED in receipt.headers for receipt in receiver.receipts)


def _p95(found: list[float]) -> float:
    return statistics.quantiles(found, n=20)[-1]
