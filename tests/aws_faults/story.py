"""What a deployment lives through: everything that makes a function call AWS, and what must be there in the end."""

import json
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import requests
from msgspec.structs import replace

from hookwatch.notifying.queue import Delivery
from hookwatch.notifying.signing import SealKeys
from tests.aws_faults.patient import PatientApi
from tests.local_cloud.api import hook0_headers
from tests.local_cloud.cloud import ROOT, Stack
from tests.local_cloud.controls import depth, stopped
from tests.local_cloud.receiver import Receiver
from tests.local_cloud.world import REQUESTS, SECRET, World, ask, delete, text, unique, within

HEALTHY, FAILURES = 12, 12
BATCH = {"max_events": 4, "max_wait_seconds": 2}
GONE = 5  # of each of them the alarm topic is told once, however that ends
_WITHIN = 120  # seconds
TOLD = Counter({
    "endpoint.created": HEALTHY + 2,
    "endpoint.failing": 2,
    "application.degraded": 1,
    "endpoint.warning": 2,
    "endpoint.disabled": 1,
    "endpoint.recovered": 2,
    "endpoint.deleted": 1,
})  # fmt: skip


class Story:
    def __init__(self, stack: Stack) -> None:
        self._stack, self._physical = stack, stack.physical()
        self.api, self.shop, self.begins = PatientApi(stack), unique("shop"), datetime.now(UTC)
        self.good = Receiver(lambda body, attempt: 503 if (body["type"], attempt) == ("endpoint.failing", 1) else 200)
        self.gone = Receiver(lambda _body, _attempt: 410)
        self.limited, self.new, self.batched = Receiver(), Receiver(), Receiver()

    def play(self) -> None:
        with self.good, self.gone, self.limited, self.new, self.batched:
            good, limited = (self._register(each, rate_limit=500) for each in (self.good, self.limited))
            self._register(self.batched, batch=BATCH, rate_limit=500)
            gone = [self._register(self.gone) for _ in range(GONE)]
            self._an_alarm_of_cloudwatch_is_told()
            self._an_endpoint_fails_and_others_work()
            self._time_passes()
            self._the_platform_disables_it()
            self._what_is_no_delivery_and_no_event_lies_aside()
            for name in gone:
                assert within(_WITHIN, lambda each=name: self._why_disabled(each) == "gone")  # type: ignore[misc]
            assert self.api.post(f"/{gone[0]}/test", None).status_code == 409
            self._all_is_received(TOLD - Counter({"endpoint.deleted": 1}))
            self._register(self.new)  # of which nobody knows yet that it answers, so it is told by way of RETRIES
            self._what_the_stream_did_not_hand_out_is_reemitted(limited)
            assert self.new.wait_until(lambda: bool(self.new.accepted()), _WITHIN)
            tested = self.api.post(f"/{good}/test", None).json()["event_id"]
            failing = [event["event_id"] for event in self._events() if event["type"] == "endpoint.failing"]
            self._reemit({"event_ids": [tested, *failing]})
            self._all_is_received(TOLD)
            assert within(_WITHIN, lambda: self._delivered(good) == self._delivered(limited) == self._ids())
            self._each_is_in_one_batch()
            self._what_happened_is_delivered_once_more(limited)
        self._every_attempt_is_counted_once()
        self._a_request_is_carried_out_once(limited)
        self._every_route_answers()
        self._the_application_leaves()

    # ── what happens ──

    def _register(self, receiver: Receiver, **fields: Any) -> str:
        answer = self.api.post("", {"application_id": self.shop, "url": receiver.url} | fields)
        assert answer.status_code == 201, answer.text
        receiver.secret = answer.json()["secret"]
        return str(answer.json()["operational_endpoint_id"])

    def _an_alarm_of_cloudwatch_is_told(self) -> None:
        event = json.loads((ROOT / "events" / "alarms.json").read_text()) | {"id": unique("alarm")}
        event["detail"]["state"]["timestamp"] = self.begins.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"

        def is_told() -> bool:
            answer = self._invoke("Alarms", event)
            return answer is None or "errorType" not in answer

        assert within(_WITHIN, is_told)
        assert self._invoke("Alarms", event) is None
        told = self.api.get("/events", application_id="operations", since=text(self.begins), limit=9).json()["data"]
        assert len(told) == 1, told

    def _an_endpoint_fails_and_others_work(self) -> None:
        policy = {"degraded_from_endpoints": 1, "degraded_at_share": 0.01}
        assert self.api.put(f"/policies/{self.shop}", policy).ok
        start, healthy = self.begins - timedelta(seconds=60), [f"e{number}" for number in range(HEALTHY)]
        created = [
            {"type": "endpoint.created", "endpoint_id": name, "occurred_at": text(start)}
            for name in [*healthy, "erp", "crm"]
        ]
        working = [self._attempt(name, start, outcome="succeeded") for name in healthy]
        failing = [
            self._attempt(name, start + timedelta(seconds=4 * number), outcome="failed", will_retry=True)
            for name in ("erp", "crm")
            for number in range(FAILURES)
        ]
        for signals in (created, [*working, *failing]):
            self._report(*signals)
        assert within(_WITHIN, lambda: self._told()["endpoint.failing"] == 2), self._told()
        self._report(*created[:1])  # a fact that was told
        self._report(self._attempt("e0", self.begins, outcome="succeeded"))
        self._report(self._attempt("e1", self.begins, outcome="succeeded", attempt_number=5))
        found = self.api.get("/monitored_endpoints", application_id=self.shop, state="failing").json()["data"]
        assert {endpoint["endpoint_id"] for endpoint in found} == {"erp", "crm"}
        everywhere = self.api.get("/monitored_endpoints", application_id="*", state="failing").json()["data"]
        assert {"erp", "crm"} <= {endpoint["endpoint_id"] for endpoint in everywhere}

    def _time_passes(self) -> None:
        """The sweeper is invoked as its schedule does: for nothing, and when the incident is an hour old."""
        ago = [self.begins - timedelta(seconds=seconds) for seconds in (10, 5)]
        self._report(self._attempt("crm", ago[0], outcome="succeeded"))  # from now on it may close in a minute
        assert within(_WITHIN, lambda: self._record("crm")["due_at"]["S"] == text(ago[0] + timedelta(minutes=1)))
        self._report(self._attempt("crm", ago[1], outcome="failed", will_retry=True))
        assert within(_WITHIN, lambda: self._last_attempt("crm") == text(ago[1]))
        looked_at = self._record("crm")["version"]

        def is_swept() -> bool:
            self._invoke("Sweeper", {"time": text(ago[0] + timedelta(seconds=61))})
            return bool(self._record("crm")["version"] != looked_at)

        assert within(_WITHIN, is_swept)

        def is_told() -> bool:
            self._invoke("Sweeper", {"time": text(self.begins + timedelta(hours=1))})
            told = self._told()
            return told.keys() >= {"endpoint.warning", "application.degraded", "endpoint.recovered"}

        assert within(_WITHIN, is_told), self._told()

    def _record(self, endpoint_id: str) -> dict[str, Any]:
        item: dict[str, Any] = self._stack.client("dynamodb").get_item(
            TableName=self._stack.tables["MonitoredEndpoint"],
            Key={"application_id": {"S": self.shop}, "endpoint_id": {"S": endpoint_id}},
        )["Item"]
        return item

    def _last_attempt(self, endpoint_id: str) -> str:
        answer = self.api.get(f"/monitored_endpoints/{endpoint_id}", application_id=self.shop).json()
        return str(answer["last_attempt_at"])

    def _the_platform_disables_it(self) -> None:
        moment = text(datetime.now(UTC))
        self._report({"type": "endpoint.disabled", "endpoint_id": "erp", "occurred_at": moment, "trigger": "manual"})
        body = {"application_id": self.shop, "kind": "hook0", "secret": SECRET}
        source_id = self.api.post("/sources", body).json()["source_id"]
        content = json.dumps({"subscription_id": "erp", "application_id": self.shop}).encode()
        while True:
            moment_sent = int(datetime.now(UTC).timestamp())
            headers = hook0_headers("event.ignored", unique("evt"), content, secret=SECRET, moment=moment_sent)
            answer = requests.post(f"{self.api.base}/sources/{source_id}", data=content, headers=headers, timeout=30)
            if answer.status_code < 500:
                break
            self.api.refused.append(answer)
        assert answer.status_code == 202, answer.text

    def _what_is_no_delivery_and_no_event_lies_aside(self) -> None:
        self._stack.client("sqs").send_message(
            QueueUrl=self._stack.queues["Deliveries"], MessageBody='{"forged": true}'
        )
        self._stack.client("dynamodb").put_item(
            TableName=self._stack.tables["OperationalEvent"],
            Item={"event_id": {"S": unique("evt")}, "data": {"S": "{"}, "expires_at": {"N": "1"}},
        )
        for queue in ("DeliveriesDeadLetters", "EmitterFailures"):
            assert within(_WITHIN, lambda each=queue: depth(self._stack, each) >= 1), queue  # type: ignore[misc]

    def _what_the_stream_did_not_hand_out_is_reemitted(self, limited: str) -> None:
        with stopped(self._stack, "EmitterSource"):
            moment = text(datetime.now(UTC))
            self._report({"type": "endpoint.deleted", "endpoint_id": "erp", "occurred_at": moment})
            assert within(_WITHIN, lambda: self._told() == TOLD), self._told()
            [event] = [each for each in self._events() if each["type"] == "endpoint.deleted"]
            until = text(datetime.now(UTC))  # the sweeper was ahead of its time
            of_a_time = {"since": moment, "until": until, "application_id": self.shop}
            asked = ({"event_ids": [event["event_id"]]}, of_a_time)
            counted = [self._reemit(request | {"dry_run": True})["deliveries"] for request in asked]
            assert counted == [4, 4], counted
            self._waits_in_line(event, limited)
            for request in asked:
                self._reemit(request)

    def _what_happened_is_delivered_once_more(self, operational_endpoint_id: str) -> None:
        """In several steps; then one event alone."""
        since, path = text(self.begins - timedelta(minutes=5)), f"/{operational_endpoint_id}/replay"
        begun = self.api.post(path, {"since": since, "rate_per_second": 1})
        replayed = self._ended(begun.json()["replay_id"])
        # The sweeper was ahead of its time: what lies ahead has not happened yet.
        past = {event["event_id"] for event in self._events() if event["timestamp"] < replayed["until"]}
        number = len(past)
        assert (replayed["state"], replayed["counted"], replayed["sent"]) == ("completed", number, number), replayed
        assert number > HEALTHY
        assert within(_WITHIN, lambda: self._delivered(operational_endpoint_id, replayed["replay_id"]) == past)
        missed = self.api.post(path, {"since": since, "only": "failed", "dry_run": True})
        assert self._ended(missed.json()["replay_id"])["counted"] == 0
        [event_id, *_] = past
        body = {"operational_endpoint_id": operational_endpoint_id}
        resent = self.api.post(f"/events/{event_id}/resend", body).json()["replay_id"]
        assert self._ended(resent)["sent"] == 1
        assert within(_WITHIN, lambda: self._delivered(operational_endpoint_id, resent) == {event_id})

    def _ended(self, replay_id: str) -> dict[str, Any]:
        def shown() -> dict[str, Any]:
            answer: dict[str, Any] = self.api.get(f"/replays/{replay_id}").json()
            return answer

        assert within(_WITHIN, lambda: shown()["state"] != "running"), shown()
        return shown()

    def _waits_in_line(self, event: dict[str, Any], operational_endpoint_id: str) -> None:
        """A delivery comes off RETRIES before its turn, as one does that waits longer than SQS delays a message."""
        until = datetime.now(UTC) + timedelta(seconds=2)
        microseconds = int((until + timedelta(seconds=60)).timestamp() * 1_000_000)
        self._stack.client("dynamodb").update_item(
            TableName=self._stack.tables["DeliveryPace"],
            Key={"operational_endpoint_id": {"S": operational_endpoint_id}},
            UpdateExpression="SET line_ends_at = :end",
            ExpressionAttributeValues={":end": {"N": str(microseconds)}},
        )
        seal = self._stack.client("secretsmanager").get_secret_value(SecretId=self._physical["SealKey"])["SecretString"]
        body = {"type": event["type"], "timestamp": event["timestamp"], "data": event["data"]}
        owed = Delivery.owed(
            event_id=event["event_id"],
            event_type=event["type"],
            operational_endpoint_id=operational_endpoint_id,
            body=json.dumps(body),
            application_id=self.shop,
        )
        sealed = replace(owed.sealed(SealKeys.from_json(seal)), comes_at=until)
        self._stack.client("sqs").send_message(
            QueueUrl=self._stack.queues["Retries"], MessageBody=msgspec.json.encode(sealed).decode(), MessageGroupId="x"
        )

    # ── what must be there ──

    def _all_is_received(self, expected: Counter[str]) -> None:
        assert within(_WITHIN, lambda: self._told() == expected), self._told()
        for receiver in (self.good, self.limited):
            assert receiver.wait_until(lambda each=receiver: self._has_all(each), _WITHIN)  # type: ignore[misc]

    def _each_is_in_one_batch(self) -> None:
        """A batch that was posted twice has the same events both times."""
        assert self.batched.wait_until(lambda: set(self._batch_of()) == self._ids(), _WITHIN)
        for event_id, webhook_id in self._batch_of().items():
            answer = self.api.get(f"/events/{event_id}/attempts", limit=100).json()["data"]
            assert webhook_id in {attempt["webhook_id"] for attempt in answer}, answer

    def _batch_of(self) -> dict[str, str]:
        """The `webhook-id` under which each event was received."""
        found: dict[str, str] = {}
        for receipt in self.batched.accepted():
            assert receipt.is_verified
            for event in receipt.body["data"]:
                assert found.setdefault(event["id"], receipt.webhook_id) == receipt.webhook_id, event["id"]
        return found

    def _every_attempt_is_counted_once(self) -> None:
        counted = self.api.get("/stats", application_id=self.shop).json()["summary"]
        failed = 2 * FAILURES + 1
        assert (counted["attempts"], counted["failed_attempts"]) == (HEALTHY + 3 + failed, failed), counted

    def _a_request_is_carried_out_once(self, limited: str) -> None:
        sent = {"Idempotency-Key": uuid.uuid4().hex}
        wanted = {"role": "editor", "application_ids": [self.shop]}
        made = [self.api.request("POST", "/keys", json=wanted, headers=sent).json() for _ in range(2)]
        assert made[0]["key_id"] == made[1]["key_id"]
        key = self.api.post("/keys", wanted).json()["key"]
        assert PatientApi(self._stack, key).get(f"/{limited}").ok
        assert self.api.post("/signals", {"application_id": self.shop}).status_code == 422
        assert self.api.put(f"/{limited}", {"application_id": self.shop, "url": self.limited.url}).ok

    def _every_route_answers(self) -> None:
        world = World.of(self._stack, PatientApi)
        for route in REQUESTS:
            answer = ask(world, world.admin, route)
            assert answer.ok, (route, answer.status_code, answer.text)

    def _the_application_leaves(self) -> None:
        schema = {"application_id": self.shop, "description": "x", "schema": {"type": "object"}}
        assert self.api.post("/event_types/invoice.due", schema).ok
        assert self.api.post("/keys", {"role": "viewer", "application_ids": [self.shop, unique("other")]}).ok
        query: dict[str, Any] = {"limit": 100}
        kinds: set[str] = set()
        while True:
            page = self.api.get(f"/applications/{self.shop}/export", **query).json()
            kinds |= {line["kind"] for line in page["data"]}
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        assert len(kinds) >= 8, kinds
        delete(self._stack, self.api, self.shop)

    # ── how it is asked ──

    def _attempt(self, endpoint_id: str, moment: datetime, **fields: Any) -> dict[str, Any]:
        attempt = {"type": "message.attempt", "endpoint_id": endpoint_id, "message_id": unique("msg")}
        return attempt | {"attempt_number": 1, "attempted_at": text(moment)} | fields

    def _report(self, *signals: dict[str, Any]) -> None:
        answer = self.api.post_signals(self.shop, list(signals))
        assert (answer.status_code, answer.json()["accepted"]) == (202, len(signals)), answer.text

    def _why_disabled(self, operational_endpoint_id: str) -> str | None:
        reason: str | None = self.api.get(f"/{operational_endpoint_id}").json()["disabled_reason"]
        return reason

    def _told(self) -> Counter[str]:
        return Counter(event["type"] for event in self._events())

    def _events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.get("/events", application_id=self.shop, limit=100).json()["data"]
        return [event for event in found if not event["quiet"] and event["type"] != "webhook.test"]

    def _ids(self) -> set[str]:
        return {event["event_id"] for event in self._events()}

    def _has_all(self, receiver: Receiver) -> bool:
        assert all(receipt.is_verified for receipt in receiver.receipts)
        told = [receipt for receipt in receiver.accepted() if receipt.type != "webhook.test"]
        return {receipt.webhook_id for receipt in told} == self._ids()

    def _delivered(self, operational_endpoint_id: str, replay_id: str | None = None) -> set[str]:
        """The events that are on record as delivered: each once, even if two copies were posted."""
        page = self.api.get(f"/{operational_endpoint_id}/attempts", status="delivered", limit=100).json()["data"]
        events = [attempt["event_id"] for attempt in page if attempt["replay_id"] == replay_id]
        assert len(events) == len(set(events))
        return set(events) & self._ids()

    def _reemit(self, request: dict[str, Any]) -> dict[str, Any]:
        answers: list[dict[str, Any]] = []

        def is_answered() -> bool:
            answers.append(self._invoke("Reemitter", request))
            return "errorType" not in answers[-1]

        assert within(_WITHIN, is_answered), answers[-1]
        return answers[-1]

    def _invoke(self, function: str, event: dict[str, Any]) -> Any:
        answer = self._stack.client("lambda").invoke(FunctionName=self._physical[function], Payload=json.dumps(event))
        return json.loads(answer["Payload"].read() or "null")
