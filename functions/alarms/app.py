"""CloudWatch's alarms, by EventBridge → OperationalEvent. Not Hookwatch's own: what they say would cause more of it."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch import event_items, times
from hookwatch.logs import logger
from hookwatch.metrics import count, metrics
from hookwatch.observing import alarms, event_metrics
from hookwatch.observing.alarms import Deployment, StateChange
from hookwatch.settings import AlarmsSettings, table_names

settings = AlarmsSettings.from_environment()


def deployment(function_name: str) -> Deployment:
    """The template cannot tell a function its own name."""
    names = {*settings.stack_resources, *table_names(), function_name}
    return Deployment(settings.stack_name, settings.powertools_metrics_namespace, frozenset(names))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """What cannot be understood or stored raises: Lambda tries it twice more, and then puts it on AlarmsFailures."""
    change = StateChange.from_event(event)
    about: dict[str, Any] = {"alarm_arn": change.alarm_arn, "state": change.detail.state.value}
    count("AlarmsReceived")
    if deployment(context.function_name).owns(change):
        count("AlarmsIgnored")
        logger.info("an alarm of our own", **about)
        return
    told = alarms.to_event(change, settings.alarms_application, times.now())
    if not event_items.create(told, retention_days=settings.event_retention_days):
        logger.info("an event that is stored already", event_id=told.event_id, **about)
        return
    event_metrics.count([told])
    logger.info("event", event_id=told.event_id, type=told.type, **about)
