"""Route: what a filter says of events."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Self

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import BaseModel, Field, model_validator
from typing_extensions import TypedDict

from hookwatch import errors, json_schemas, tables, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.api import answer, events, scope
from hookwatch.api.answers import TAKEN, answers
from hookwatch.api.operational_endpoint_body import Filter
from hookwatch.notifying import predicates
from hookwatch.observing.given import Id

router = APIGatewayRouter()

_PAYLOAD = ("type", "timestamp", "data")


class GivenEvent(BaseModel):
    """An event as receivers get it, or as `GET /events` shows it."""

    model_config = TAKEN

    type: Annotated[str, Field(max_length=128)]
    timestamp: Annotated[str | None, Field(max_length=64)] = None
    data: dict[str, Any]
    event_id: Annotated[str | None, Field(max_length=256)] = None
    quiet: bool = False
    muted: bool = False


class FilterTestBody(BaseModel):
    """`event`, or else the `last` events of the application."""

    model_config = TAKEN

    filter: Filter
    event: GivenEvent | None = None
    application_id: Id | None = None
    last: Annotated[int, Field(ge=1, le=100)] | None = None

    @model_validator(mode="after")
    def _is_about_either(self) -> Self:
        if (self.event is None) == (self.last is None):
            raise ValueError("name either an event, or how many of the last are tested")
        if self.event is not None and self.application_id is not None:
            raise ValueError("an event is tested as it is given, whatever the application")
        return self


class FilterTest(TypedDict):
    """Of one event. `result` is what the filter yields, null where that is large; `error` is why it yields nothing."""

    event_id: str | None
    type: str
    matches: bool
    result: Any
    error: str | None


class FilterTests(TypedDict):
    data: list[FilterTest]


@router.post("/filters/test", responses=answers(FilterTests))
def test_filter(body: FilterTestBody) -> Response[str]:
    """Which events a `filter` lets through, and why it keeps the others away. Nothing is delivered. Of the last events
    the newest are first; types and `message_events` are not looked at."""
    if body.event is not None:
        event = body.event.model_dump()
        json_schemas.size(event, "event")  # refuses what JSON cannot hold, and what is nested without end
        return answer(200, {"data": [_test(body.filter, event)]})
    application_id = scope(router, body.application_id)
    if application_id == EVERY_APPLICATION:
        raise errors.invalid("Name one application.", {"loc": ["application_id"], "msg": "the last are of one"})
    found: Iterable[Mapping[str, Any]] = _last(application_id, body.last or 1)
    return answer(200, {"data": [_test(body.filter, event) for event in found]})


def _last(application_id: str, number: int) -> Iterator[events.EventView]:
    """Without those that cannot be read."""
    table = tables.OperationalEvent
    found = table.by_application.query(
        application_id,
        filter_condition=table.expires_at > int(times.now().timestamp()),
        scan_index_forward=False,
        page_size=number,
        limit=number,
    )
    return (event for item in found if (event := events.shown(item, {})))


def _test(expression: str, event: Mapping[str, Any]) -> FilterTest:
    outcome = predicates.evaluate(expression, {name: event[name] for name in _PAYLOAD})
    return {
        "event_id": event["event_id"],
        "type": event["type"],
        "matches": outcome.matches,
        "result": predicates.shown(outcome.value),
        "error": outcome.error,
    }
