"""Each minute → MonitoredEndpoint, Application, OperationalEvent. Lets time pass for what no traffic moves."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch import tables, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.logs import logger
from hookwatch.metrics import count, metrics
from hookwatch.observing import applications, arrivals, event_metrics, sweeping
from hookwatch.observing.heartbeat import Heart
from hookwatch.observing.outbox import Outbox
from hookwatch.observing.policies import Policies
from hookwatch.operational_events import Events
from hookwatch.settings import SweeperSettings

_THREADS = 8
_LEFT_OVER_MS = 5_000  # what is not swept by then is due again in a minute

settings = SweeperSettings.from_environment()
policies = Policies(settings.policy)
outbox = Outbox(
    policies,
    event_retention_days=settings.event_retention_days,
    stats_retention_days=settings.stats_retention_days,
)
heart = Heart(settings.heartbeat_minutes, settings.event_retention_days) if settings.heartbeat_minutes else None
tables.connect(tables.MonitoredEndpoint, tables.Application, tables.MessageStats)


def judge(application_id: str, endpoints_failing: int, now: datetime) -> Events:
    policy = policies.of(application_id)
    return applications.judge(application_id, endpoints_failing, now, policy, settings.event_retention_days)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    now = times.from_text(event["time"])
    found = sweeping.open_incidents()
    failing = Counter(incident.application_id for incident in found if incident.is_active_at(now))
    beats = {(EVERY_APPLICATION, None): partial(heart.beat, now)} if heart else {}
    ticks = {
        (incident.application_id, incident.endpoint_id): partial(
            outbox.tick, incident.application_id, incident.endpoint_id, now
        )
        for incident in found
        if incident.due_at <= now
    }
    judgements = {
        (application_id, None): partial(judge, application_id, failing[application_id], now)
        for application_id in sorted(applications.to_judge(now) | failing.keys())
    }

    def sweep(about: tuple[str, str | None], step: Callable[[], Events]) -> tuple[Events, str]:
        """What was told, and what to count it for, which one thread does."""
        if context.get_remaining_time_in_millis() < _LEFT_OVER_MS:
            return (), "SweepsLeftOver"
        try:
            events = step()
        except Exception:  # of whatever one record holds, the others are swept
            application_id, endpoint_id = about
            logger.exception(
                "a sweep failed; it is due again in a minute", application_id=application_id, endpoint_id=endpoint_id
            )
            return (), "SweepsFailed"
        if events:
            logger.info("told", events={stored.event_id: stored.type for stored in events})
        return events, "Sweeps"

    with ThreadPoolExecutor(_THREADS) as threads:
        steps = beats | ticks | judgements
        swept = list(threads.map(sweep, steps.keys(), steps.values()))
    told = [stored for events, _ in swept for stored in events]
    event_metrics.count(told)
    for name, number in Counter(name for _, name in swept).items():
        count(name, number)
    # Of a level, none is a number too.
    metrics.add_metric("OpenIncidents", MetricUnit.Count, len(found))
    silence = arrivals.minutes_without(now)
    if silence is not None:  # before the first signal there is nothing to miss
        metrics.add_metric("MinutesWithoutSignals", MetricUnit.Count, silence)
