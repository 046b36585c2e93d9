"""The load that a production platform saw in its worst hour, at a twentieth of its rate and for as long as it takes to
notice: through the API, nothing lost, no counter off by one, and the alerts are out in time."""

import time
from collections import Counter

from tests.e2e.test_the_main_job import eventually, register, unique
from tests.local_cloud.api import Api
from tests.local_cloud.receiver import Receiver
from tests.local_cloud.watched import ENDPOINTS, FAILING, PROFILE, Platform

SCALE = 20
NORMAL, PEAK = PROFILE["normal_p99_per_s"] / SCALE, PROFILE["incident_peak_per_s"] / SCALE
BEFORE, DURING, AFTER = 10, 100, 10  # seconds
DRAINED_WITHIN = 60  # seconds


def every_event(api: Api, application_id: str) -> Counter[str]:
    found: Counter[str] = Counter()
    cursor: str | None = ""
    while cursor is not None:
        query = {"application_id": application_id, "limit": 100} | ({"cursor": cursor} if cursor else {})
        page = api.get("/events", **query).json()
        found.update(event["type"] for event in page["data"])
        cursor = page["next_cursor"]
    return found


def test_the_recorded_incident_is_noticed_counted_and_quiet(api: Api) -> None:
    shop = unique("shop")
    platform = Platform(api, shop)
    with Receiver() as receiver:
        register(api, receiver, shop)
        platform.play(BEFORE, NORMAL, [])
        began = time.time()
        platform.play(DURING, PEAK, FAILING)
        platform.play(AFTER, NORMAL, [])
        ends_at, total = time.monotonic() + DRAINED_WITHIN, sum(platform.attempts.values())
        while (
            time.monotonic() < ends_at
            and (counted := api.get("/stats", application_id=shop).json())
            and (counted["summary"]["attempts"] != total)
        ):
            time.sleep(0.5)
        assert counted["summary"]["attempts"] == total
        assert counted["summary"]["failed_attempts"] == sum(platform.failed.values())
        assert counted["summary"]["failed_messages"] == sum(platform.given_up.values())
        assert counted["complete"]
        for endpoint_id in ENDPOINTS:
            own = api.get("/stats", application_id=shop, endpoint_id=endpoint_id).json()["summary"]
            assert own["attempts"] == platform.attempts[endpoint_id]
            assert own["failed_attempts"] == platform.failed[endpoint_id]
            assert own["failed_messages"] == platform.given_up[endpoint_id]
        assert {row["endpoint_id"] for row in counted["worst_endpoints"]} == set(FAILING)

        assert eventually(lambda: any(receipt.type == "application.degraded" for receipt in receiver.accepted()))
        first = {receipt.type: receipt.arrived_at - began for receipt in reversed(receiver.accepted())}
        assert first["endpoint.failing"] < 120
        assert first["application.degraded"] < 120
        told = Counter(receipt.type for receipt in receiver.accepted())
        assert told["endpoint.failing"] == len(FAILING)
        assert set(told) <= {"endpoint.failing", "endpoint.recovered", "application.degraded", "application.recovered"}
    stored = every_event(api, shop)
    for event_type in ("message.attempt.failing", "message.attempt.exhausted"):
        assert stored[event_type] == platform.told[event_type]
