"""What AWS allows, by its own documentation, and what the stack allows itself, by template.yaml.

The numbers are those of eu-central-1 and of an account that has asked for nothing yet.
"""

from dataclasses import dataclass, replace
from typing import Any

from samcli.yamlhelper import yaml_parse

from tests.local_cloud.cloud import ROOT

READ_ON = "2026-11-30"


@dataclass(frozen=True, slots=True)
class Limit:
    """`page` is AWS's page that says it; `is_quota` whether AWS raises it when asked."""

    what: str
    value: int
    page: str
    is_quota: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.value:,}"


ACCOUNT_CONCURRENCY = Limit("invocations of an account at once", 1_000, "Lambda quotas", is_quota=True)
FUNCTION_SCALING = Limit("environments that a function gains in 10 s", 1_000, "Lambda scaling behavior")
QUEUE_FIRST = Limit("invocations that a queue's mapping begins with", 5, "Configuring scaling behavior for SQS")
QUEUE_SCALING = Limit("… and gains in a minute", 300, "Configuring scaling behavior for SQS")
QUEUE_CONCURRENCY = Limit("… and reaches at most", 1_250, "Configuring scaling behavior for SQS")
QUEUE_PROVISIONED = Limit("… or gains with pollers of its own", 1_000, "Configuring scaling behavior for SQS")
SHARD_BATCHES = Limit("batches of a shard at once, ParallelizationFactor", 10, "Lambda parameters for DynamoDB")
API_REQUESTS = Limit("requests a second of an account", 10_000, "API Gateway quotas", is_quota=True)
API_BURST = Limit("… and at once", 5_000, "API Gateway quotas")
FIFO_CALLS = Limit("calls a second of FIFO queues, each action", 19_000, "SQS message quotas", is_quota=True)
FIFO_PARTITION_CALLS = Limit("… of a partition, of ten messages each", 300, "SQS message quotas")
FIFO_LOOKS_AHEAD = Limit(
    "messages in which a FIFO queue looks for groups", 120_000, "Avoiding a large backlog of a group"
)
IN_FLIGHT = Limit("messages of a queue in flight", 120_000, "SQS queue quotas", is_quota=True)
TABLE_COLD = Limit("write units a second of a new on-demand table", 4_000, "DynamoDB warm throughput")
TABLE_DOUBLES = Limit("minutes in which it grows to twice its peak", 30, "DynamoDB on-demand capacity")
TABLE_QUOTA = Limit("write units a second of any table", 40_000, "DynamoDB quotas", is_quota=True)
PARTITION = Limit("write units a second of a partition", 1_000, "DynamoDB warm throughput, hot partitions")
STREAM_HOURS = Limit("hours that a stream keeps", 24, "DynamoDB Streams")
REQUEST_BYTES = Limit("bytes of a request to API Gateway", 10_000_000, "API Gateway quotas")
INVOCATION_BYTES = Limit("bytes of a request to a function", 6_000_000, "Lambda quotas")
KMS_REQUESTS = Limit("decryptions a second of an account, in any region", 10_000, "KMS request quotas", is_quota=True)

PUBLISHED = (
    ACCOUNT_CONCURRENCY,
    FUNCTION_SCALING,
    QUEUE_FIRST,
    QUEUE_SCALING,
    QUEUE_CONCURRENCY,
    QUEUE_PROVISIONED,
    SHARD_BATCHES,
    API_REQUESTS,
    API_BURST,
    FIFO_CALLS,
    FIFO_PARTITION_CALLS,
    FIFO_LOOKS_AHEAD,
    IN_FLIGHT,
    TABLE_COLD,
    TABLE_DOUBLES,
    TABLE_QUOTA,
    PARTITION,
    STREAM_HOURS,
    REQUEST_BYTES,
    INVOCATION_BYTES,
    KMS_REQUESTS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What is set in template.yaml, or by an operator: concurrencies, waits in seconds, write units a second."""

    ingest_requests: int
    observer_concurrency: int
    delivery_concurrency: int
    retry_concurrency: int
    retry_waits: tuple[int, ...]
    observer_batch: int
    emitter_batch: int
    delivery_batch: int
    shard_batches: int
    in_flight: int = IN_FLIGHT.value
    warm_units: int = TABLE_COLD.value

    @classmethod
    def of_template(cls) -> "Stack":
        template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
        parameters, resources = template["Parameters"], template["Resources"]

        def source(name: str) -> dict[str, Any]:
            properties: dict[str, Any] = resources[name]["Properties"]
            return properties

        return cls(
            ingest_requests=parameters["IngestRequestsPerSecond"]["Default"],
            observer_concurrency=parameters["ObserverConcurrency"]["Default"],
            delivery_concurrency=parameters["DeliveryConcurrency"]["Default"],
            retry_concurrency=parameters["RetryConcurrency"]["Default"],
            retry_waits=tuple(map(int, parameters["RetrySchedule"]["Default"].split(","))),
            observer_batch=source("ObserverSource")["BatchSize"],
            emitter_batch=source("EmitterSource")["BatchSize"],
            delivery_batch=source("DeliverySource")["BatchSize"],
            shard_batches=source("EmitterSource").get("ParallelizationFactor", 1),
        )

    def lifted(self, **changes: Any) -> "Stack":
        return replace(self, **changes)
