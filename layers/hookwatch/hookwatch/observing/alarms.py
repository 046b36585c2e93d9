"""State changes of CloudWatch's alarms, as EventBridge hands them over, and as operational events. Pure.

The source of their form: CloudWatch User Guide, Alarm events and EventBridge.
"""

import hashlib
import re
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hookwatch import times
from hookwatch.operational_events import ALARM, OperationalEvent, cut, event_id

# In characters: what CloudWatch lets a reason have. The rule of a composite alarm may be ten times that.
_TEXT_AT_MOST = 1024

_Name = Annotated[str, Meta(min_length=1)]


class _Metric(msgspec.Struct, frozen=True):
    namespace: str
    name: str
    dimensions: dict[str, str] = {}


class _MetricStat(msgspec.Struct, frozen=True):
    metric: _Metric
    stat: str | None = None
    period: int | None = None


class _Query(msgspec.Struct, frozen=True, rename="camel"):
    """A metric, or an expression over others."""

    id: str | None = None
    metric_stat: _MetricStat | None = None
    expression: str | None = None
    label: str | None = None
    period: int | None = None


class _Configuration(msgspec.Struct, frozen=True, rename="camel"):
    description: str | None = None
    metrics: tuple[_Query, ...] = ()
    alarm_rule: str | None = None


class _State(msgspec.Struct, frozen=True, rename="camel"):
    value: Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
    timestamp: Annotated[datetime, Meta(tz=True)]
    reason: str = ""
    actions_suppressed_by: str | None = None


class _MuteDetail(msgspec.Struct, frozen=True, rename="camel"):
    muted_by_arn: str | None = None


class _Detail(msgspec.Struct, frozen=True, rename="camel"):
    alarm_name: _Name
    state: _State
    previous_state: _State | None = None
    configuration: _Configuration = _Configuration()
    mute_detail: _MuteDetail = _MuteDetail()


class StateChange(msgspec.Struct, frozen=True):
    """`resources` holds the alarm's ARN. A composite alarm's configuration has a rule, and no metrics."""

    id: _Name
    account: _Name
    region: _Name
    resources: Annotated[tuple[_Name, ...], Meta(min_length=1)]
    detail: _Detail
    detail_type: Literal["CloudWatch Alarm State Change"] = msgspec.field(name="detail-type")

    @classmethod
    def from_event(cls, event: dict[str, Any]) -> "StateChange":
        """
        Raises:
            msgspec.ValidationError: it is no state change of an alarm.
        """
        return msgspec.convert(event, cls)

    @property
    def alarm_arn(self) -> str:
        return self.resources[0]


def to_event(change: StateChange, application_id: str, now: datetime) -> OperationalEvent:
    """EventBridge may hand a change over twice: its id is then the same, and so is the event's. It keeps no order;
    `sequence` does, the time of the state in milliseconds."""
    detail, state, previous = change.detail, change.detail.state, change.detail.previous_state
    configuration = detail.configuration
    return OperationalEvent(
        event_id=event_id(application_id, ALARM, change.id),
        application_id=application_id,
        type=ALARM,
        timestamp=state.timestamp,
        data={
            "dedup_key": f"alm_{hashlib.sha256(change.alarm_arn.encode()).hexdigest()[:32]}",
            "sequence": times.millisecond_of(state.timestamp),
            "detected_at": times.to_text(now),
            "labels": {},
            "reported_by": "cloudwatch",
            "alarm_name": detail.alarm_name,
            "alarm_arn": change.alarm_arn,
            "description": _cut(configuration.description),
            "account_id": change.account,
            "region": change.region,
            "state": state.value,
            "previous_state": previous.value if previous else None,
            "previous_state_since": times.to_text(previous.timestamp) if previous else None,
            "reason": _cut(state.reason),
            "metrics": [_told(query) for query in configuration.metrics],
            "alarm_rule": _cut(configuration.alarm_rule),
            "actions_suppressed_by": state.actions_suppressed_by,
            "muted_by": detail.mute_detail.muted_by_arn,
        },
    )


def _told(query: _Query) -> dict[str, Any]:
    """Of a metric, what CloudWatch says of it."""
    told: dict[str, Any] = {
        "id": query.id,
        "label": query.label,
        "expression": _cut(query.expression),
        "period_seconds": query.period,
    }
    if query.metric_stat:
        metric = query.metric_stat.metric
        told |= {
            "namespace": metric.namespace,
            "name": metric.name,
            "dimensions": metric.dimensions,
            "stat": query.metric_stat.stat,
            "period_seconds": query.metric_stat.period,
        }
    return {name: value for name, value in told.items() if value is not None}


def _cut(text: Any) -> Any:
    return text and cut(text, _TEXT_AT_MOST)


# ── the loop guard ──


class Deployment(msgspec.Struct, frozen=True):
    """What tells Hookwatch's own alarms. `resources` are the physical names of its functions, queues and tables;
    `namespace` is that of its metrics. Its API is called as its stack (SAM: the title of a RestApi without a name)."""

    stack_name: str
    namespace: str
    resources: frozenset[str]

    def owns(self, change: StateChange) -> bool:
        """Whether the alarm watches Hookwatch itself: by its name, by one of its metrics, or as a composite alarm by an
        alarm in its rule. What it says would be of the deliveries that say it."""
        configuration = change.detail.configuration
        return (
            self._alarm.fullmatch(change.detail.alarm_name) is not None
            or self._alarm.search(configuration.alarm_rule or "") is not None
            or any(self._is_watched(query) for query in configuration.metrics)
        )

    @property
    def _alarm(self) -> re.Pattern[str]:
        """An alarm's name as CloudFormation makes it: stack, logical id, twelve characters or more. It may be 255 long,
        so it is never cut, as those of functions and queues are; and the logical ids here end in Alarm."""
        return re.compile(rf"(?<![\w.-]){re.escape(self.stack_name)}-[A-Za-z0-9]+Alarm-[A-Za-z0-9]{{12,}}(?![\w.-])")

    def _is_watched(self, query: _Query) -> bool:
        if query.expression and self._is_named_in(query.expression):
            return True
        if query.metric_stat is None:
            return False
        metric = query.metric_stat.metric
        return (
            metric.namespace == self.namespace
            or metric.dimensions.get("ApiName") == self.stack_name
            or not self.resources.isdisjoint(metric.dimensions.values())
        )

    def _is_named_in(self, expression: str) -> bool:
        """In a query of Metrics Insights, which names its namespace and dimensions in a kind of SQL."""
        namespace = rf"(?i:\bfrom|\bschema\s*\()\s*[\"']?{re.escape(self.namespace)}[\"']?\s*(?:[,)\s]|$)"
        api = rf"\bApiName\"?\s*=\s*'{re.escape(self.stack_name)}'"
        return (
            any(f"'{name}'" in expression for name in self.resources)
            or re.search(f"{namespace}|{api}", expression) is not None
        )
