"""Which monitored endpoints are in an incident: the sparse index of MonitoredEndpoint."""

from dataclasses import dataclass
from datetime import datetime

from hookwatch import tables, times
from hookwatch.observing.records import OPEN_SHARDS


@dataclass(frozen=True, slots=True)
class OpenIncident:
    application_id: str
    endpoint_id: str
    due_at: datetime
    active_hour: int
    state: str

    def is_active_at(self, moment: datetime) -> bool:
        """Whether it had an attempt in this hour or the one before, and nobody switched it off."""
        return self.state == "failing" and self.active_hour >= times.hour_of(moment) - 1


def open_incidents(state: str | None = None) -> list[OpenIncident]:
    """Those in `state`, or all."""
    index = tables.MonitoredEndpoint.open_incidents
    return [
        OpenIncident(
            item.application_id, item.endpoint_id, times.from_text(item.due_at), int(item.active_hour), item.state
        )
        for shard in OPEN_SHARDS
        for item in index.query(shard)
        if state in (None, item.state)
    ]
