"""How full each limit is, without a run: what an outage asks for at its peak, by what there is."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.performance.scale import limits
from tests.performance.scale.costs import COSTS, Costs
from tests.performance.scale.limits import Stack
from tests.performance.scale.load import Load

_CREDENTIALS_KEPT = 300  # seconds, in a warm function


@dataclass(frozen=True, slots=True)
class Asked:
    """Of each second, while the failing endpoints' messages are at their fourth attempt."""

    load: Load
    stack: Stack
    costs: Costs

    @property
    def quiet(self) -> float:
        return self.load.rate * self.load.failing

    @property
    def burst(self) -> float:
        """Events in the seconds in which the incidents open."""
        return self.load.monitored * self.load.failing / self.load.gathered

    @property
    def deliveries(self) -> float:
        return self.quiet * self.load.told_quiet

    @property
    def hanging(self) -> float:
        return self.deliveries * self.load.dead

    @property
    def telling(self) -> float:
        return min(self.quiet, self.load.messages() * self.load.failing)

    @property
    def observers(self) -> float:
        return self.load.messages() * self.costs.observe + self.telling * self.costs.observe_more

    @property
    def deliverers(self) -> float:
        return self.deliveries / self.stack.delivery_batch * self.costs.deliver

    @property
    def retriers(self) -> float:
        attempts = self.hanging * (1 + len(self.stack.retry_waits))
        return attempts / self.stack.delivery_batch * self.costs.hang

    @property
    def emitters(self) -> float:
        each = self.costs.emit_batch / self.stack.emitter_batch + self.costs.emit_event
        return self.quiet * each + self.deliveries * self.costs.emit_delivery

    @property
    def ingesters(self) -> float:
        return self.load.requests() * self.costs.ingest

    @property
    def hidden(self) -> float:
        """Of one delivery in flight, on average: the seconds of its waits and of its attempts."""
        waits = sum(self.stack.retry_waits) * (1 + self.costs.jitter / 2)
        return waits + self.costs.hang * (1 + len(self.stack.retry_waits))


@dataclass(frozen=True, slots=True)
class Pressure:
    """`lifted_by` is the parameter of template.yaml, the quota of AWS, or what else an operator can do."""

    limit: str
    asked: Callable[[Asked], float]
    allowed: Callable[[Stack], float]
    lifted_by: str

    def share(self, load: Load, stack: Stack, costs: Costs = COSTS) -> float:
        return self.asked(Asked(load, stack, costs)) / self.allowed(stack)


def _shards(stack: Stack) -> float:
    return stack.warm_units / limits.PARTITION.value * stack.shard_batches


WARM = "warm throughput of the table (an operator sets it)"
PRESSURES = (
    Pressure(
        "requests to `POST /signals`",
        lambda asked: asked.load.requests(),
        lambda stack: stack.ingest_requests,
        "`IngestRequestsPerSecond`, at 10,000 API Gateway's quota",
    ),
    Pressure(
        "calls of SIGNALS",
        lambda asked: asked.load.messages() / asked.stack.observer_batch,
        lambda _: limits.FIFO_CALLS.value,
        "SQS's quota",
    ),
    Pressure(
        "observers at once",
        lambda asked: asked.observers,
        lambda stack: stack.observer_concurrency,
        "`ObserverConcurrency`",
    ),
    Pressure(
        "`MonitoredEndpoint`, new",
        lambda asked: asked.load.messages() * asked.costs.endpoint_units + asked.telling,
        lambda stack: stack.warm_units,
        WARM,
    ),
    Pressure(
        "… of one application: a partition",
        lambda asked: asked.load.messages() / asked.load.applications * asked.costs.endpoint_units,
        lambda _: limits.PARTITION.value,
        "DynamoDB, which splits what is hot; a longer time of gathering",
    ),
    Pressure(
        "`MessageStats`, when the hour turns",
        lambda asked: min(asked.load.monitored / asked.load.gathered, asked.load.messages()) * asked.costs.hour_units,
        lambda stack: stack.warm_units,
        WARM,
    ),
    Pressure(
        "`Application`, when the hour turns",
        lambda asked: asked.load.messages() * asked.costs.note_units + asked.load.requests(),
        lambda stack: stack.warm_units,
        WARM,
    ),
    Pressure(
        "… when the minute turns: its index, a partition",
        lambda asked: asked.load.applications / asked.load.gathered,
        lambda _: limits.PARTITION.value,
        "a longer time of gathering",
    ),
    Pressure(
        "`OperationalEvent`, new",
        lambda asked: asked.quiet * asked.costs.event_units,
        lambda stack: stack.warm_units,
        WARM,
    ),
    Pressure(
        "… of one application: its index, a partition",
        lambda asked: asked.quiet / asked.load.applications,
        lambda _: limits.PARTITION.value,
        "DynamoDB, which splits late what grows at one end",
    ),
    Pressure("emitters, one for each shard", lambda asked: asked.emitters, _shards, "`ParallelizationFactor`"),
    Pressure(
        "delivery functions at once, on DELIVERIES",
        lambda asked: asked.deliverers,
        lambda stack: stack.delivery_concurrency,
        "`DeliveryConcurrency`",
    ),
    Pressure(
        "… while all incidents open",
        lambda asked: asked.burst * asked.load.told_loud / asked.stack.delivery_batch * asked.costs.deliver,
        lambda stack: stack.delivery_concurrency,
        "`DeliveryConcurrency`",
    ),
    Pressure(
        "… on RETRIES, with receivers that hang",
        lambda asked: asked.retriers,
        lambda stack: stack.retry_concurrency,
        "`RetryConcurrency`",
    ),
    Pressure(
        "RETRIES' messages in flight",
        lambda asked: asked.hanging * asked.hidden,
        lambda stack: stack.in_flight,
        "SQS's quota; `RetrySchedule` with a shorter last wait",
    ),
    Pressure(
        "the account's invocations at once, were none of them limited",
        lambda asked: asked.ingesters + asked.observers + asked.emitters + asked.deliverers + asked.retriers,
        lambda _: limits.ACCOUNT_CONCURRENCY.value,
        "Lambda's quota",
    ),
    Pressure(
        "decryptions",
        lambda asked: min(
            asked.deliveries, asked.load.receivers * asked.stack.delivery_concurrency / _CREDENTIALS_KEPT
        ),
        lambda _: limits.KMS_REQUESTS.value,
        "KMS's quota",
    ),
)
