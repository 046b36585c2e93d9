"""A storm to receivers that want all of it: with batches it is a few POSTs, and the same events."""

import math
from collections import Counter
from datetime import UTC, datetime

from hookwatch.notifying.batches import SIZE_AT_MOST
from tests.e2e.test_the_main_job import register, text, unique
from tests.local_cloud.api import Api
from tests.local_cloud.receiver import Receiver

EVENTS, ENDPOINTS, A_REQUEST = 10_000, 250, 1_000
MAX_EVENTS = 500
WITHIN = 600  # seconds; a laptop that has much else to do makes thirty POSTs a second


def storm(api: Api, application_id: str) -> None:
    """Messages that are given up, a request of a thousand at a time: each is an event."""
    for begin in range(0, EVENTS, A_REQUEST):
        signals = [
            {
                "type": "message.attempt",
                "endpoint_id": f"endpoint-{number % ENDPOINTS}",
                "message_id": f"m{number}",
                "attempt_number": 5,
                "outcome": "failed",
                "response_status_code": 503,
                "attempted_at": text(datetime.now(UTC)),
                "will_retry": False,
            }
            for number in range(begin, begin + A_REQUEST)
        ]
        answer = api.post_signals(application_id, signals)
        assert (answer.status_code, answer.json()["accepted"]) == (202, A_REQUEST), answer.text


def exhausted_in(receiver: Receiver) -> Counter[str]:
    """How often each event of the storm was received, in whatever batch."""
    return Counter(
        event["id"]
        for receipt in receiver.accepted()
        for event in receipt.body["data"]
        if event["type"] == "message.attempt.exhausted"
    )


def test_a_storm_of_10_000_events_is_as_many_posts_without_batches_and_some_forty_with_them(api: Api) -> None:
    shop = unique("shop")
    with Receiver() as alone, Receiver() as together:
        register(api, alone, shop, message_events="all", filter_types=["message.attempt.exhausted"])
        register(
            api,
            together,
            shop,
            message_events="all",
            filter_types=["message.attempt.exhausted"],
            batch={"max_events": MAX_EVENTS, "max_wait_seconds": 60},
        )
        storm(api, shop)
        assert alone.wait_until(lambda: len(alone.receipts) >= EVENTS, WITHIN), len(alone.receipts)
        assert together.wait_until(lambda: exhausted_in(together).total() >= EVENTS, WITHIN), len(together.receipts)
        by_id = Counter(receipt.webhook_id for receipt in alone.accepted())
        batched = exhausted_in(together)
        assert all(receipt.is_verified for receipt in (*alone.receipts, *together.receipts))
    assert len(by_id) == EVENTS
    assert set(batched) == set(by_id)
    assert all(number == 1 for number in batched.values())
    sizes = {receipt.webhook_id: int(receipt.headers["content-length"]) for receipt in together.accepted()}
    assert max(sizes.values()) <= 256 * 1024
    # Full ones, by number or by size; the last; and those that two emitters opened at the same time.
    full = math.ceil(max(EVENTS / MAX_EVENTS, sum(sizes.values()) / SIZE_AT_MOST))
    assert len(sizes) <= full + 5, (len(sizes), full)
    for receipt in together.accepted():
        order = [(event["timestamp"], event["id"]) for event in receipt.body["data"]]
        assert order == sorted(order)
