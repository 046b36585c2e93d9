"""Routes: the catalogue of operational events."""

from typing import Any

from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from hookwatch import errors
from hookwatch.catalogue import CATALOGUE, EventType

router = APIGatewayRouter()


def view(event_type: EventType) -> dict[str, Any]:
    return {
        "name": event_type.name,
        "description": event_type.description,
        "schema": event_type.schema,
        "example": event_type.example,
    }


@router.get("/event_types")
def list_event_types() -> dict[str, Any]:
    return {"data": [view(event_type) for event_type in CATALOGUE.values()], "next_cursor": None}


@router.get("/event_types/<name>")
def get_event_type(name: str) -> dict[str, Any]:
    if name not in CATALOGUE:
        raise errors.not_found("event type")
    return view(CATALOGUE[name])
