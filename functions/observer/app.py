"""SIGNALS → MonitoredEndpoint, MessageStats, OperationalEvent. What is of one endpoint is counted together."""

from datetime import timedelta
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch import tables, times
from hookwatch.logs import logger
from hookwatch.metrics import count, metrics
from hookwatch.observing import event_metrics
from hookwatch.observing.counting import Message, Receiving
from hookwatch.observing.outbox import Outbox
from hookwatch.observing.policies import Policies
from hookwatch.observing.queue import Merging
from hookwatch.operational_events import Events, OperationalEvent
from hookwatch.settings import ObserverSettings

settings = ObserverSettings.from_environment()
receiving = Receiving(timedelta(seconds=settings.signals_visibility_seconds), settings.signals_receives)
outbox = Outbox(
    Policies(settings.policy),
    event_retention_days=settings.event_retention_days,
    stats_retention_days=settings.stats_retention_days,
)
# A message that fails fails those behind it of its own group, and of no other.
processor = SqsFifoPartialProcessor(skip_group_on_error=True)
processor.raise_on_entire_batch_failure = False
tables.connect(tables.MonitoredEndpoint, tables.Application)


def tell(events: Events, messages: list[Message]) -> None:
    """Of what is stored, the log and the metrics. The newest of the messages is the one that made them."""
    batch_ids = dict.fromkeys(message.report.batch_id for message in messages)
    logger.info("told", batch_ids=list(batch_ids), events={event.event_id: event.type for event in events})
    lag = times.now() - messages[-1].report.received_at
    for _ in events:
        count("EventLag", lag / timedelta(milliseconds=1), MetricUnit.Milliseconds)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    merging = Merging(event["Records"])

    def observe(record: SQSRecord) -> None:
        try:
            merged = merging.up_to(record.raw_event)
            if not merged:
                return  # it was counted with one before it
            counted = outbox.count(merged, receiving)
        except Exception:
            logger.exception("a message could not be counted", message_id=record.message_id)
            raise
        if counted.events:
            tell(counted.events, merged)
            events.extend(counted.events)
        count("DuplicateSignals", merging.signals_repeated(counted.repeated))
        merging.counted(merged)

    events: list[OperationalEvent] = []
    answer = process_partial_response(event, observe, processor, context)
    event_metrics.count(events)
    return answer
