"""A step of a replay: some events → their deliveries, sealed, on RETRIES.

DELIVERIES, where live events go first, is left alone. A step queues what is to go out within the next seconds, and no
more: so it can be cancelled, and so what it redoes after a crash is little, and known by its delivery ids.
"""

import math
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from hookwatch import event_items, past_events, tables, times
from hookwatch.logs import logger
from hookwatch.notifying import attempts, emission, endpoints, formats, matching, pacing, predicates
from hookwatch.notifying.endpoints import OperationalEndpoint
from hookwatch.notifying.mutes import MuteCache
from hookwatch.notifying.queue import Delivery, Outbox
from hookwatch.notifying.replays import OneEvent, Past, Replay, Taken
from hookwatch.notifying.signing import SealKeys
from hookwatch.operational_events import HEARTBEAT, TEST, OperationalEvent, detected_at, linking_to, to_payload
from hookwatch.settings import ReplayerSettings

NEVER_REPLAYED = frozenset({HEARTBEAT, TEST})  # of health that may be gone, and of what somebody waited for
AHEAD = timedelta(seconds=10)  # so far ahead deliveries are queued
SHARE_OF_LIMIT = 0.5  # of an operational endpoint's rate limit; the rest is for live events
PROBES_EVERY = timedelta(seconds=5)  # a receiver that fails, or is not known to work: it may hold up RETRIES
LOOKS_AT_THE_LINE = timedelta(minutes=1)
CHARACTERS_A_STEP = 10_000_000  # of bodies, held until they are sent; one has up to 400 KB


def interval(asked: Past, endpoint: OperationalEndpoint) -> timedelta:
    """Between two deliveries. Pure."""
    limit = math.inf if endpoint.rate_limit is None else endpoint.rate_limit * SHARE_OF_LIMIT
    between = timedelta(seconds=1 / min(asked.rate_per_second, limit))
    return max(between, PROBES_EVERY) if endpoint.is_doubtful else between


def moments(goes_on_at: datetime, between: timedelta, now: datetime) -> list[datetime]:
    """When the deliveries of a step go out: from where the last step ended, or from now, up to `AHEAD`. Pure."""
    start = max(goes_on_at, now)
    number = max(1, math.ceil((now + AHEAD - start) / between))
    return [start + n * between for n in range(number)]


class Replaying:
    def __init__(self, settings: ReplayerSettings) -> None:
        self._mutes = MuteCache(settings.endpoint_cache_seconds)
        self._links = linking_to(settings.api_url, settings.links)
        self._outbox = Outbox(
            settings.deliveries_queue_url,
            settings.retries_queue_url,
            settings.emitter_failures_queue_url,
            settings.batches_queue_url,
        )

    def take_step(self, replay: Replay, keys: SealKeys, has_time: Callable[[], bool]) -> Taken:
        """
        Raises:
            queue.Unsent, botocore.exceptions.ClientError, BotoCoreError, PynamoDBException: it is to be taken again.
        """
        if isinstance(replay.asked, OneEvent):
            return self._resend(replay, replay.asked, keys)
        now, endpoint = times.now(), endpoints.find(replay.asked.operational_endpoint_id)
        if endpoint is None or not endpoint.is_enabled:
            reason = "operational_endpoint_disabled" if endpoint else "operational_endpoint_deleted"
            return Taken(goes_on_at=now, ends="failed", reason=reason)
        limited = endpoint.rate_limit is not None and not replay.asked.dry_run
        if limited and (line_ends_at := pacing.end_of_line(endpoint.operational_endpoint_id)) > now:
            return Taken(goes_on_at=min(line_ends_at, now + LOOKS_AT_THE_LINE))  # live events first
        return self._go_on(replay, replay.asked, endpoint, keys, has_time)

    def _go_on(
        self, replay: Replay, asked: Past, endpoint: OperationalEndpoint, keys: SealKeys, has_time: Callable[[], bool]
    ) -> Taken:
        between = interval(asked, endpoint)
        due = moments(replay.goes_on_at, between, times.now())
        owed: list[Delivery] = []
        counted, failed, size, place, is_over = 0, 0, 0, replay.place, True
        since, until = times.to_text(asked.since), times.to_text(asked.until)
        for place, item in past_events.walk(endpoint.application_id, since, until, replay.place):  # noqa: B007
            try:
                event = self._matching(item, replay, asked, endpoint) if item else None
                if event and not asked.dry_run:
                    owed.append(self._delivery(event, endpoint, replay.replay_id, keys))
                    size += len(owed[-1].body)
                counted += event is not None
            except (*event_items.MALFORMED, _FilterFailed):
                logger.exception("an event cannot be replayed", event_id=item and item.event_id)
                failed += 1
            if len(owed) == len(due) or size > CHARACTERS_A_STEP or not has_time():
                is_over = False
                break
        self._outbox.put([], [replace(delivery, comes_at=moment) for delivery, moment in zip(owed, due, strict=False)])
        return Taken(
            place=place,
            counted=counted,
            sent=len(owed),
            failed=failed,
            goes_on_at=due[len(owed) - 1] + between if owed else due[0],
            ends="completed" if is_over else None,
        )

    def _matching(
        self, item: tables.OperationalEvent, replay: Replay, asked: Past, endpoint: OperationalEndpoint
    ) -> OperationalEvent | None:
        """The event, where it is for the endpoint by what that asks for, as live events are, and by what is asked for
        here. What Hookwatch learned of after the replay began is live.

        Raises:
            _FilterFailed
        """
        event = event_items.from_item(item)
        if item.expires_at <= times.now().timestamp() or detected_at(event) > times.from_text(replay.created_at):
            return None
        is_asked_for = matching.matches(endpoint, event) and matching.asks_for(asked.types, event.type)
        if event.type in NEVER_REPLAYED or not is_asked_for or self._mutes.cover(event):
            return None
        payload = to_payload(event, self._links)
        for expression in filter(None, (endpoint.filter, asked.filter)):
            outcome = predicates.evaluate(expression, payload)
            if outcome.error is not None:
                emission.tell_failed_filter(event, endpoint, outcome.error)
                raise _FilterFailed(outcome.error)
            if not outcome.matches:
                return None
        return event if asked.only == "all" or _has_failed(event, endpoint, replay.replay_id) else None

    def _resend(self, replay: Replay, asked: OneEvent, keys: SealKeys) -> Taken:
        names = asked.operational_endpoint_ids
        found = [endpoint for name in names if (endpoint := endpoints.find(name)) and endpoint.is_enabled]
        try:
            event = event_items.from_item(tables.OperationalEvent.get(asked.event_id, consistent_read=True))
            owed = [self._delivery(event, endpoint, replay.replay_id, keys) for endpoint in found]
        except (tables.OperationalEvent.DoesNotExist, *event_items.MALFORMED):
            logger.exception("an event cannot be replayed", event_id=asked.event_id)
            return Taken(failed=len(names), goes_on_at=times.now(), ends="failed", reason="event_gone")
        self._outbox.put([], owed)
        failed = len(names) - len(owed)
        return Taken(counted=1, sent=len(owed), failed=failed, goes_on_at=times.now(), ends="completed")

    def _delivery(
        self, event: OperationalEvent, endpoint: OperationalEndpoint, replay_id: str, keys: SealKeys
    ) -> Delivery:
        return Delivery.owed(
            event_id=event.event_id,
            event_type=event.type,
            operational_endpoint_id=endpoint.operational_endpoint_id,
            body=formats.render(endpoint.format, event.event_id, to_payload(event, self._links)),
            application_id=endpoint.application_id,
            rendered=emission.rendering(endpoint.format, event),
            replay=replay_id,
        ).sealed(keys)


class _FilterFailed(Exception):
    """It keeps the event away, as it does from live deliveries."""


def _has_failed(event: OperationalEvent, endpoint: OperationalEndpoint, replay_id: str) -> bool:
    """What Hookwatch knew before there was the endpoint was never owed to it."""
    if times.to_text(detected_at(event)) < endpoint.created_at:
        return False
    return attempts.has_failed(event.event_id, endpoint.operational_endpoint_id, apart_from=replay_id)
