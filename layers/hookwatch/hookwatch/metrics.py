"""Metrics in CloudWatch's embedded format: at the end of an invocation, a line of its log, if there is one to count."""

from threading import Lock

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

metrics = Metrics()
_counting = Lock()


def count(name: str, value: float = 1, unit: MetricUnit = MetricUnit.Count) -> None:
    """From any thread, for which Metrics is not made. What did not happen is not written: an alarm takes what is
    missing for nothing, and a log is paid by the byte."""
    if value:
        with _counting:
            metrics.add_metric(name, unit, value)
