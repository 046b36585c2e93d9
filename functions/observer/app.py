"""SIGNALS → MonitoredEndpoint, MessageStats, OperationalEvent. What is of one endpoint is counted together."""

import logging
from datetime import timedelta
from typing import Any, cast

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch import times
from hookwatch.observing import event_metrics
from hookwatch.observing.counting import Receiving
from hookwatch.observing.outbox import Outbox
from hookwatch.observing.policies import Policies
from hookwatch.observing.queue import Merging
from hookwatch.operational_events import OperationalEvent
from hookwatch.settings import ObserverSettings

logger, metrics, settings = Logger(), Metrics(), ObserverSettings.from_environment()
receiving = Receiving(timedelta(seconds=settings.signals_visibility_seconds), settings.signals_receives)
outbox = Outbox(
    Policies(settings.policy),
    event_retention_days=settings.event_retention_days,
    stats_retention_days=settings.stats_retention_days,
)
# A message that fails fails those behind it of its own group, and of no other.
processor = SqsFifoPartialProcessor(skip_group_on_error=True, logger=cast(logging.Logger, logger))
processor.raise_on_entire_batch_failure = False


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    merging = Merging(event["Records"])

    def observe(record: SQSRecord) -> None:
        merged = merging.up_to(record.raw_event)
        if not merged:
            return  # it was counted with one before it
        counted = outbox.count(merged, receiving)
        for stored in counted.events:
            logger.info("event", event_id=stored.event_id, type=stored.type, batch_id=merged[-1].report.batch_id)
            events.append(stored)
            lag = times.now() - merged[-1].report.received_at
            metrics.add_metric("EventLag", MetricUnit.Milliseconds, lag / timedelta(milliseconds=1))
        metrics.add_metric("DuplicateSignals", MetricUnit.Count, merging.signals_repeated(counted.repeated))
        merging.counted(merged)

    events: list[OperationalEvent] = []
    answer = process_partial_response(event, observe, processor, context)
    metrics.add_metric("Events", MetricUnit.Count, len(events))
    event_metrics.count(events)
    return answer
