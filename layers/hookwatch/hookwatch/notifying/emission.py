"""An operational event → a sealed delivery for each operational endpoint that it is for, on DELIVERIES or RETRIES; or a
place in a batch."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from hookwatch import times
from hookwatch.logs import logger
from hookwatch.metrics import count
from hookwatch.notifying import endpoints, formats, matching, pacing, predicates
from hookwatch.notifying.batches import Batch, Batches, Member
from hookwatch.notifying.endpoints import EndpointCache, OperationalEndpoint
from hookwatch.notifying.formats import standard
from hookwatch.notifying.mutes import MuteCache
from hookwatch.notifying.queue import Delivery, Outbox, Rendered
from hookwatch.notifying.signing import SealKeys
from hookwatch.operational_events import BATCH, HEARTBEAT, TEST, OperationalEvent, detected_at, linking_to, to_payload
from hookwatch.settings import EmitterSettings


class Owed(msgspec.Struct, frozen=True):
    delivery: Delivery
    endpoint: OperationalEndpoint

    @property
    def lines_up(self) -> bool:
        """Not a test: somebody waits for it."""
        return self.endpoint.rate_limit is not None and self.delivery.event_type != TEST

    @property
    def waits_for_others(self) -> bool:
        """To be delivered in a batch with them. Not a heartbeat: it tells by when it comes."""
        return self.endpoint.batch is not None and self.delivery.event_type not in {TEST, HEARTBEAT, BATCH}


class Emission:
    def __init__(self, settings: EmitterSettings) -> None:
        self._endpoints = EndpointCache(settings.endpoint_cache_seconds)
        self.mutes = MuteCache(settings.endpoint_cache_seconds)
        self._links = linking_to(settings.api_url, settings.links)
        self.outbox = Outbox(
            settings.deliveries_queue_url,
            settings.retries_queue_url,
            settings.emitter_failures_queue_url,
            settings.batches_queue_url,
        )
        self._batches = Batches(self.outbox.wake, settings.event_retention_days)

    def owed(self, event: OperationalEvent, keys: SealKeys) -> list[Owed]:
        """What the event is owed, its body rendered once for each format."""
        payload = to_payload(event, self._links)
        told = list(told_of(event, payload, self._candidates(event)))
        names = {endpoint.format for endpoint in told}
        bodies = {name: formats.render(name, event.event_id, payload) for name in names}
        rendered = {name: rendering(name, event) for name in names}
        return [
            Owed(
                Delivery.owed(
                    event_id=event.event_id,
                    event_type=event.type,
                    operational_endpoint_id=endpoint.operational_endpoint_id,
                    body=bodies[endpoint.format],
                    application_id=endpoint.application_id,
                    rendered=rendered[endpoint.format],
                ).sealed(keys),
                endpoint,
            )
            for endpoint in told
        ]

    def owed_together(
        self, batch: Batch, endpoint: OperationalEndpoint, events: Sequence[OperationalEvent], keys: SealKeys
    ) -> Owed:
        """What a sealed batch makes of its events."""
        ordered = sorted(events, key=lambda event: (event.timestamp, event.event_id))
        payloads = {event.event_id: to_payload(event, self._links) for event in ordered}
        delivery = Delivery.owed(
            event_id=batch.batch_id,
            event_type=BATCH,
            operational_endpoint_id=endpoint.operational_endpoint_id,
            body=standard.together(payloads, batch.sealed_at or times.now()),
            application_id=endpoint.application_id,
            rendered=Rendered(
                format=formats.STANDARD,
                application_id=batch.application_id,
                detected_at=min(map(detected_at, events)),
            ),
        )
        return Owed(delivery.sealed(keys), endpoint)

    def put(self, owed: Collection[Owed]) -> None:
        """All of it on the queues: on RETRIES what has a place in a line ahead, and what goes to a doubtful receiver.
        Or into batches.

        Places are taken last, for what has to be queued once more takes new ones.

        Raises:
            queue.Unsent, botocore.exceptions.ClientError, BotoCoreError, pynamodb.exceptions.PynamoDBException: some
                may not be there.
        """
        at_once = [each for each in owed if not each.waits_for_others]
        self._put([each for each in at_once if not each.lines_up])
        self._batch([each for each in owed if each.waits_for_others])
        self._put(list(_placed([each for each in at_once if each.lines_up])))

    def _put(self, owed: Collection[Owed]) -> None:
        first: list[Delivery] = []
        later: list[Delivery] = []
        for each in owed:
            goes_to_retries = each.delivery.comes_at is not None or each.delivery.is_risky(each.endpoint)
            (later if goes_to_retries else first).append(each.delivery)
        self.outbox.put(first, later)

    def _batch(self, owed: Collection[Owed]) -> None:
        """A batch is of one application's events, so that what is known of an application is known of the batch."""
        members: dict[tuple[str, str], list[Member]] = defaultdict(list)
        known = {each.delivery.operational_endpoint_id: each.endpoint.batch for each in owed}
        for each in owed:
            delivery = each.delivery
            of = (delivery.operational_endpoint_id, delivery.tells_of()[0])
            members[of].append(Member.of(delivery.event_id, delivery.body))
        for (operational_endpoint_id, application_id), some in members.items():
            if batching := known[operational_endpoint_id]:
                self._batches.put(operational_endpoint_id, application_id, batching, some)

    def _candidates(self, event: OperationalEvent) -> Collection[OperationalEndpoint]:
        if event.type != TEST:
            return self._endpoints.of_application(event.application_id)
        # Whoever asks for a test has just changed something: the cache may not know it yet.
        target = endpoints.find(event.data["operational_endpoint_id"])
        return [target] if target else []


def told_of(
    event: OperationalEvent, payload: dict[str, Any], candidates: Collection[OperationalEndpoint]
) -> Iterator[OperationalEndpoint]:
    """Whom of the candidates the event is for. Its filters share their steps, lest those of one application hold up the
    stream. One that fails keeps the event away."""
    left = predicates.STEPS_AN_EVENT
    for endpoint in candidates:
        if not matching.matches(endpoint, event):
            continue
        outcome = matching.filtered(endpoint, payload, min(left, predicates.STEPS))
        left -= outcome.steps
        if outcome.matches:
            yield endpoint
        elif outcome.error is not None:
            tell_failed_filter(event, endpoint, outcome.error)


def tell_failed_filter(event: OperationalEvent, endpoint: OperationalEndpoint, reason: str) -> None:
    logger.warning(
        "a filter failed",
        event_id=event.event_id,
        operational_endpoint_id=endpoint.operational_endpoint_id,
        reason=reason,
    )
    count("FilterErrors")


def rendering(name: str, event: OperationalEvent) -> Rendered | None:
    """What a delivery of that format says beside its body."""
    if name == formats.STANDARD:
        return None
    expires_at = event.data["expires_at"] if event.type == HEARTBEAT else None
    return Rendered(
        format=name,
        application_id=event.application_id,
        detected_at=detected_at(event),
        expires_at=times.from_text(expires_at) if expires_at else None,
    )


def _placed(owed: Collection[Owed]) -> Iterator[Owed]:
    """Each with its place in line: one write for each of their operational endpoints."""
    now = times.now()
    limits = {each.endpoint.operational_endpoint_id: each.endpoint.rate_limit or 1 for each in owed}
    numbers = Counter(each.endpoint.operational_endpoint_id for each in owed)
    places = {name: iter(pacing.line_up(name, numbers[name], rate, now)) for name, rate in limits.items()}
    for each in owed:
        place = next(places[each.endpoint.operational_endpoint_id])
        yield Owed(replace(each.delivery, comes_at=place if place > now else None), each.endpoint)
