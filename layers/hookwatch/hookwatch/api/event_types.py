"""Routes: the types of operational events: the catalogue's, and an application's own."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from hookwatch import custom_types, errors, json_schemas
from hookwatch.api import answer, audited, implied_scope, scope
from hookwatch.api.answers import TAKEN, answers, no_content
from hookwatch.api.paging import Page
from hookwatch.catalogue import CATALOGUE, EventType
from hookwatch.custom_types import CustomType
from hookwatch.observing.given import Id

router = APIGatewayRouter()


class EventTypeBody(BaseModel):
    """`schema` is of the `data` that is posted to /events; `example` is such data."""

    model_config = TAKEN

    application_id: Id
    description: Annotated[str, Field(min_length=1, max_length=1024)]
    data_schema: Annotated[dict[str, Any], Field(alias="schema")]
    example: dict[str, Any] | None = None


class EventTypeView(TypedDict):
    """`schema` is a JSON Schema (2020-12) of what receivers get as the body; `example` satisfies it."""

    name: str
    description: str
    schema: dict[str, Any]
    example: dict[str, Any]
    is_custom: bool


def view(event_type: EventType, *, is_custom: bool) -> EventTypeView:
    return {
        "name": event_type.name,
        "description": event_type.description,
        "schema": event_type.schema,
        "example": event_type.example,
        "is_custom": is_custom,
    }


@router.get("/event_types", responses=answers(Page[EventTypeView]))
def list_event_types(application_id: Annotated[str | None, Query()] = None) -> Response[str]:
    """The catalogue's, then the application's own, of which there are a hundred at most."""
    application_id = implied_scope(router, application_id)
    own = custom_types.of_application(application_id) if application_id else []
    shown = [
        *(view(event_type, is_custom=False) for event_type in CATALOGUE.values()),
        *(view(custom_types.told(custom), is_custom=True) for custom in own),
    ]
    return answer(200, {"data": shown, "next_cursor": None})


@router.get("/event_types/<name>", responses=answers(EventTypeView))
def get_event_type(name: str, application_id: Annotated[str | None, Query()] = None) -> Response[str]:
    application_id = implied_scope(router, application_id)
    if name in CATALOGUE:
        return answer(200, view(CATALOGUE[name], is_custom=False))
    custom = custom_types.get(application_id, name) if application_id else None
    if custom is None:
        raise errors.not_found("event type")
    return answer(200, view(custom_types.told(custom), is_custom=True))


@router.post("/event_types/<name>", responses=answers(EventTypeView) | answers(EventTypeView, status=201))
def post_event_type(name: str, body: EventTypeBody) -> Response[str]:
    """Replaces the application's type of that name, if it has one."""
    application_id = scope(router, body.application_id)
    custom_types.check_name(name)
    json_schemas.check(body.data_schema)
    if body.example is not None:
        json_schemas.check_data(body.data_schema, body.example, "example")
    custom = CustomType(application_id, name, body.description, body.data_schema, body.example)
    old, shown = custom_types.get(application_id, name), _view_own(custom)
    entry = audited(
        router.current_event,
        "event_type.updated" if old else "event_type.created",
        application_id,
        target=name,
        before=_view_own(old) if old else None,
        after=shown,
    )
    custom_types.put(custom, old, entry)
    return answer(200 if old else 201, shown)


@router.delete("/event_types/<name>", responses=no_content(409))
def delete_event_type(name: str, application_id: Annotated[str | None, Query()] = None) -> Response[str]:
    application_id = scope(router, application_id)
    custom = custom_types.get(application_id, name)
    if custom is None:
        raise errors.not_found("event type")
    entry = audited(router.current_event, "event_type.deleted", application_id, target=name, before=_view_own(custom))
    custom_types.delete(custom, entry)
    return Response(204, body="")


def _view_own(custom: CustomType) -> EventTypeView:
    return view(custom_types.told(custom), is_custom=True)
