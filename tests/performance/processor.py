"""What an event, an attempt and a delivery take of the processor, in the functions that work on them.

Each function runs in this process as Lambda runs it, with what it logs going nowhere; AWS and the receiver are
processes of their own. Time is the processor's, of all threads.
"""

import cProfile
import json
import os
import pstats
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests

import tests.conftest  # noqa: F401  # the environment of the functions
from hookwatch.catalogue import CATALOGUE
from hookwatch.notifying.queue import Delivery
from hookwatch.notifying.signing import SealKeys
from hookwatch.observing.signals import Attempt
from tests.in_process import deliveries, signals
from tests.in_process.aws import SEAL_KEY
from tests.local_cloud.cloud import ROOT
from tests.performance.apart import AwsApart, nginx
from tests.performance.report import Section, Table

ROUNDS, A_ROUND = 10, 200  # of deliveries, and of bare posts
BATCH = 10  # deliveries, or messages of SIGNALS, that Lambda hands out together
AT_MOST = 4.0  # times a bare post
EVENTS, RECEIVERS = 100, (1, 5)  # events of a batch of the stream, and operational endpoints that each is for
ENDPOINTS = 50  # of a platform that reports 500 attempts a request


@dataclass(frozen=True, slots=True)
class Found:
    """Milliseconds of the processor: a bare post and a delivery by round, an event by receivers, 1,000 attempts by
    round; and where each function's go, as shares of what was profiled."""

    posts: Sequence[float]
    deliveries: Sequence[float]
    events: Mapping[int, Sequence[float]]
    attempts: Sequence[float]
    items: Mapping[str, Mapping[str, float]]


def measure() -> Found:
    with nginx() as url, AwsApart() as aws, _unheard():
        os.environ["ENDPOINT_CACHE_SECONDS"] = "5"  # as template.yaml
        names = [deliveries.register(aws, url) for _ in range(5)]
        posts, delivered = _measure_deliveries(aws, url, names)
        events = {number: _measure_events(aws, url, number) for number in RECEIVERS}
        attempts = _measure_attempts(aws)
        items = {
            "delivery": _profile(
                _deliver_one_by_one(aws, names),
                *("queue.take", "app.look", "attempts.record", "sender.post", "app.find_endpoint"),
                *("signing.headers", "app.tell", "logger.info"),
            ),
            "emitter": _profile(
                lambda: aws.invoke("emitter", _stream(_shop(RECEIVERS[-1]))),
                *("event_items.from_image", "mutes.cover", "emission.owed", "emission.put", "queue._batches"),
                *("queue.sealed", "__init__.render", "operational_events.to_payload"),
            ),
            "observer": _profile(
                lambda: [aws.invoke("observer", batch) for batch in _batches()],
                *("records.read", "records.to_item", "incidents.fold", "stats.count", "models.save", "queue.up_to"),
                *("policies.of", "activity.note"),
            ),
        }
    return Found(posts, delivered, events, attempts, items)


# ── deliveries ──


def _measure_deliveries(aws: AwsApart, url: str, names: Sequence[str]) -> tuple[list[float], list[float]]:
    session, body = requests.Session(), _owed(names[0]).body.encode()
    posts, delivered = [], []

    def post() -> None:
        for _ in range(A_ROUND):
            session.post(url, data=body, headers={"content-type": "application/json"}).raise_for_status()

    for _ in range(1 + ROUNDS):
        batches = [{"Records": _records(names)} for _ in range(A_ROUND // BATCH)]

        def deliver(batches: list[dict[str, Any]] = batches) -> None:
            for batch in batches:
                assert aws.invoke("delivery", batch) == {"batchItemFailures": []}

        posts.append(_processor(post, A_ROUND))
        delivered.append(_processor(deliver, A_ROUND))
    session.close()
    recorded = aws.client("dynamodb").scan(TableName="OperationalAttempt", Select="COUNT")["Count"]
    assert recorded >= A_ROUND, f"{recorded} attempts are on record"
    return posts[1:], delivered[1:]  # the first rounds warm up


def _owed(operational_endpoint_id: str) -> Delivery:
    return Delivery.owed(
        event_id=signals.unique("evt"),
        event_type="endpoint.failing",
        operational_endpoint_id=operational_endpoint_id,
        application_id="shop",
        body=json.dumps(CATALOGUE["endpoint.failing"].example, separators=(",", ":")),
    ).sealed(SealKeys(SEAL_KEY))


def _records(names: Sequence[str]) -> list[dict[str, Any]]:
    return [deliveries.record(_owed(names[number % len(names)])) for number in range(BATCH)]


# ── events and attempts ──


def _measure_events(aws: AwsApart, url: str, receivers: int) -> list[float]:
    for _ in range(receivers):
        deliveries.register(aws, url, application_id=_shop(receivers))
    took = []
    for _ in range(1 + ROUNDS):
        aws.renew("Deliveries")  # moto takes the longer, the more is on it
        stream = _stream(_shop(receivers))
        took.append(_processor(lambda stream=stream: aws.invoke("emitter", stream), EVENTS))  # type: ignore[misc]
    return took[1:]


def _shop(receivers: int) -> str:
    return f"shop-{receivers}"


def _stream(application_id: str) -> dict[str, Any]:
    [sample] = json.loads((ROOT / "events" / "emitter.json").read_text())["Records"]
    records = []
    for _ in range(EVENTS):
        keys = {"event_id": {"S": signals.unique("evt")}}
        image = {**sample["dynamodb"]["NewImage"], **keys, "application_id": {"S": application_id}}
        records.append({**sample, "dynamodb": {**sample["dynamodb"], "Keys": keys, "NewImage": image}})
    return {"Records": records}


def _measure_attempts(aws: AwsApart) -> list[float]:
    took = []
    for number in range(1 + ROUNDS):
        batches = _batches(number)

        def observe(batches: list[dict[str, Any]] = batches) -> None:
            for batch in batches:
                assert aws.invoke("observer", batch) == {"batchItemFailures": []}

        took.append(_processor(observe, 1))
    return took[1:]


def _batches(number: int = ROUNDS + 1) -> list[dict[str, Any]]:
    """A thousand attempts that succeeded, the minute's of request `number`; a message for each endpoint."""
    begins, draw = signals.START + timedelta(minutes=number), random.Random(number)  # noqa: S311  # the same each time
    records = []
    for part in range(2):
        told = [
            Attempt(
                endpoint_id=f"endpoint-{n % ENDPOINTS:02}",
                message_id=f"msg_{draw.getrandbits(96):024x}",
                attempt_number=1,
                succeeded=True,
                attempted_at=begins + timedelta(seconds=30 * part, milliseconds=50 * n),
                response_status_code=200,
                duration_ms=int(draw.lognormvariate(5, 0.6)),
            )
            for n in range(500)
        ]
        records += signals.messages("platform", *told)
    return [{"Records": records[start : start + BATCH]} for start in range(0, len(records), BATCH)]


# ── measuring ──


def _processor(work: Callable[[], object], number: int) -> float:
    """Milliseconds for each of `number`."""
    before = time.process_time()
    work()
    return (time.process_time() - before) * 1000 / number


def _profile(work: Callable[[], object], *items: str) -> dict[str, float]:
    """What share of `work` each function of `items` (`module.name`) took, with all it called."""
    profile = cProfile.Profile(time.process_time)
    profile.runcall(work)
    stats = pstats.Stats(profile)
    shares: dict[str, float] = {}
    for (path, _, name), (_, _, _, cumulative, _) in stats.stats.items():  # type: ignore[attr-defined]
        item = f"{Path(path).stem}.{name}"
        if item in items:
            shares[item] = shares.get(item, 0) + cumulative / stats.total_tt  # type: ignore[attr-defined]
    return dict(sorted(shares.items(), key=lambda each: -each[1]))


def _deliver_one_by_one(aws: AwsApart, names: Sequence[str]) -> Callable[[], None]:
    """As the threads of the function do, where a profile can see it."""
    delivery = aws.function("delivery")

    def deliver() -> None:
        for _ in range(A_ROUND // BATCH):
            batch, _ = delivery.messages.take({"Records": _records(names)}, delivery.seal_keys)
            delivery.look(batch)
            for message in batch:
                delivery.deliver(message)
        delivery.metrics.flush_metrics()  # the invocation's, which is not one here

    return deliver


@contextmanager
def _unheard() -> Iterator[None]:
    """What functions log goes nowhere: to CloudWatch it goes by Lambda's own processes."""
    sys.stdout.flush()
    shown = os.dup(1)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(shown, 1)
        os.close(shown)


def section(found: Found) -> Section:
    ratios = [delivery / post for delivery, post in zip(found.deliveries, found.posts, strict=True)]
    ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    rows = [
        ("a bare post", *_spread(found.posts)),
        ("a delivery", *_spread(found.deliveries)),
        *((f"an event, to {number} receivers", *_spread(took)) for number, took in found.events.items()),
        ("1,000 attempts", *_spread(found.attempts)),
    ]
    items = [(function, item, f"{share:.0%}") for function, of in found.items.items() for item, share in of.items()]
    return Section(
        "Processor time",
        f"Milliseconds of the processor, medians and ranges of {ROUNDS} rounds. A bare post is one of "
        f"`requests.Session`, serial, of the same body to the same nginx; deliveries come in batches of {BATCH} and are"
        f" recorded, {A_ROUND} a round, in turn with as many posts; events in batches of {EVENTS}; attempts {BATCH} "
        f"messages of {500 // ENDPOINTS} at a time. AWS is moto, in a process of its own.",
        [
            Table(("what", "ms", "range"), rows),
            Table(("function", "where it goes, with all that it calls", "share"), items),
        ],
        [f"A delivery takes {ratio} times a bare post; at most {AT_MOST:.0f} are aimed at."],
    )


def _spread(took: Sequence[float]) -> tuple[str, str]:
    return f"{statistics.median(took):.2f}", f"{min(took):.2f} to {max(took):.2f}"
