"""Which monitored endpoints are in an incident: the sparse index of MonitoredEndpoint."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from hookwatch import tables, times
from hookwatch.logs import logger
from hookwatch.observing.records import OPEN_SHARDS


class OpenIncident(msgspec.Struct, frozen=True):
    application_id: str
    endpoint_id: str
    due_at: datetime
    active_hour: int
    state: str

    def is_active_at(self, moment: datetime) -> bool:
        """Whether it had an attempt in this hour or the one before, and nobody switched it off."""
        return self.state == "failing" and self.active_hour >= times.hour_of(moment) - 1


def open_incidents(state: str | None = None) -> list[OpenIncident]:
    """Those in `state`, or all. One that cannot be read is in the log."""
    return [incident for incident in _readable() if state in (None, incident.state)]


def _readable() -> Iterator[OpenIncident]:
    for shard in OPEN_SHARDS:
        for item in tables.MonitoredEndpoint.open_incidents.query(shard):
            place = item.application_id, item.endpoint_id
            try:
                due_at, active_hour = times.from_text(item.due_at), int(item.active_hour)
            except (TypeError, ValueError):
                logger.exception("an open incident cannot be read", application_id=place[0], endpoint_id=place[1])
            else:
                yield OpenIncident(*place, due_at, active_hour, item.state)
