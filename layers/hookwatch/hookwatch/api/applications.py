"""Routes: whole applications, to delete them."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from hookwatch import errors, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.api import answer, identity_of, scope
from hookwatch.erasing import deletions
from hookwatch.erasing.deletions import Deletion
from hookwatch.observing.reports import Id

router = APIGatewayRouter()


def view(application_id: str, deletion: Deletion) -> dict[str, Any]:
    return {
        "application_id": application_id,
        "state": deletion.state,
        "requested_at": times.to_text(deletion.requested_at),
        "requested_by": deletion.requested_by,
        "deleted_items": deletion.deleted_items,
        "finished_at": times.to_text(deletion.finished_at) if deletion.finished_at else None,
    }


@router.delete("/applications/<application_id>")
def delete_application(application_id: Annotated[Id, Path()]) -> Response[str]:
    """Begins within a minute, and ends some time later. Whether anything is known of the application is not asked."""
    application_id, asked_by = _one(application_id), f"key:{identity_of(router.current_event).key_id}"
    return answer(202, view(application_id, deletions.ask(application_id, asked_by, times.now())))


@router.get("/applications/<application_id>/deletion")
def get_deletion(application_id: Annotated[Id, Path()]) -> dict[str, Any]:
    application_id = _one(application_id)
    deletion = deletions.find_kept(application_id, times.now())
    if deletion is None:
        raise errors.not_found("deletion")
    return view(application_id, deletion)


def _one(application_id: str) -> str:
    if application_id == EVERY_APPLICATION:
        raise errors.invalid("Name one application.", {"loc": ["application_id"], "msg": "'*' is every one"})
    return scope(router, application_id)
