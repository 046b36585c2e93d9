"""The environment that a deployment gives the functions, so that their modules can be imported."""

import os
from collections.abc import Iterator

import pytest

from tests.in_process.aws import Aws
from tests.local_cloud.receiver import Receiver

os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
    "POWERTOOLS_SERVICE_NAME": "hookwatch",
    "POWERTOOLS_METRICS_NAMESPACE": "Hookwatch",
    "SOURCE_TABLE": "Source",
    "MONITORED_ENDPOINT_TABLE": "MonitoredEndpoint",
    "OPERATIONAL_EVENT_TABLE": "OperationalEvent",
    "OPERATIONAL_ENDPOINT_TABLE": "OperationalEndpoint",
    "OPERATIONAL_ATTEMPT_TABLE": "OperationalAttempt",
    "OPERATIONAL_BATCH_TABLE": "OperationalBatch",
    "OPERATIONAL_EVENT_TYPE_TABLE": "OperationalEventType",
    "APPLICATION_TABLE": "Application",
    "MESSAGE_STATS_TABLE": "MessageStats",
    "DELIVERY_PACE_TABLE": "DeliveryPace",
    "REPLAY_TABLE": "Replay",
    "API_KEY_TABLE": "ApiKey",
    "IDEMPOTENCY_TABLE": "Idempotency",
    "AUDIT_TABLE": "Audit",
}
for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_CA_BUNDLE"):
    os.environ.pop(name, None)


@pytest.fixture(scope="module", autouse=True)
def short_tables() -> Iterator[None]:
    """What a module has stored is gone after it: moto copies a whole table for each transaction."""
    yield
    Aws.forget_everything()


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    """The tables, queues, keys and secrets of the template, on a moto server of this process."""
    with Aws() as aws:
        yield aws


@pytest.fixture
def nothing_else_is_under_way(aws: Aws) -> None:
    aws.forget_what_is_under_way()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that takes whatever it gets."""
    with Receiver() as receiver:
        yield receiver
