"""AWS's list prices, and what an amount of what they are for costs. Pure.

Of November 2026, on demand, without any free tier, in USD a unit. The bounds of the design are held against us-east-1;
docs/operations.md counts a month in eu-central-1.
"""

from collections.abc import Mapping

US, EU = "us-east-1", "eu-central-1"

PRICES: Mapping[str, Mapping[str, float]] = {
    "write units": {US: 0.625e-6, EU: 0.7625e-6},  # DynamoDB, since November 2024
    "read units": {US: 0.125e-6, EU: 0.1525e-6},
    "SQS requests": {US: 0.40e-6, EU: 0.40e-6},
    "SQS fair requests": {US: 0.50e-6, EU: 0.50e-6},  # to a standard queue whose messages have a MessageGroupId
    "SQS FIFO requests": {US: 0.50e-6, EU: 0.50e-6},
    "API requests": {US: 3.50e-6, EU: 3.70e-6},  # REST
    "Lambda requests": {US: 0.20e-6, EU: 0.20e-6},
    "Lambda GB-seconds": {US: 13.3334e-6, EU: 13.3334e-6},  # arm64
    "log GB": {US: 0.50, EU: 0.63},
    "KMS requests": {US: 3e-6, EU: 3e-6},
    "Secrets Manager requests": {US: 5e-6, EU: 5e-6},
}
# What grows with what is kept and sent, a GB: apart from what an event costs. A month of a GB, but for egress.
APART: Mapping[str, Mapping[str, float]] = {
    "storage GB-months": {US: 0.25, EU: 0.306},
    "backup GB-months": {US: 0.20, EU: 0.24},  # point-in-time recovery
    "egress GB": {US: 0.09, EU: 0.09},
}
# Of others, a million events; neither is in one region.
EVENTBRIDGE = 1.20  # a custom event (1.00) and a call of an API destination (0.20)
SVIX = 100.0  # a message beyond those that a plan includes, 0.0001

SQS_CHUNK = 64 * 1024  # bytes: a request is billed for each that it carries


def cost(used: Mapping[str, float], region: str = US) -> float:
    """USD of what has a price; what else was counted has none."""
    return sum(amount * PRICES[name][region] for name, amount in used.items() if name in PRICES)


def sqs_requests(payload: int) -> int:
    """How many requests are billed for one that carries so many bytes."""
    return max(1, -(-payload // SQS_CHUNK))


def a_million(used: Mapping[str, float], number: int) -> dict[str, float]:
    """What was used for so many, scaled to a million of them."""
    return {name: amount * 1_000_000 / number for name, amount in used.items()}


def gb_seconds(*, cpu_seconds: float, waits: float, invocations: float, memory_mb: int) -> float:
    """What Lambda bills for invocations that compute for so long in all, on a whole processor, and wait for so long.

    A function gets a whole processor at 1,769 MB and a share of one below (Lambda developer guide, memory). Each
    invocation is billed by whole milliseconds: one more.
    """
    seconds = cpu_seconds * max(1.0, _WHOLE_PROCESSOR_MB / memory_mb) + waits + invocations * 0.001
    return seconds * memory_mb / 1024


_WHOLE_PROCESSOR_MB = 1769
