"""What was told, counted in all and by the type of event: CloudWatch, in the embedded metric format."""

from collections import Counter
from collections.abc import Collection

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from hookwatch import metrics
from hookwatch.operational_events import OperationalEvent


def count(events: Collection[OperationalEvent]) -> None:
    """The types are those of the catalogue, so that the dimension has few values: CloudWatch bills each."""
    metrics.count("Events", len(events))
    for event_type, number in Counter(event.type for event in events).items():
        with single_metric(name="EventsByType", unit=MetricUnit.Count, value=number) as metric:
            metric.add_dimension(name="type", value=event_type)
