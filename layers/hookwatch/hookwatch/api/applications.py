"""Routes: whole applications, to take them along and to delete them."""

from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from typing_extensions import TypedDict

from hookwatch import errors, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.api import answer, audited, exports, paging, scope
from hookwatch.api.answers import Time, among, answers
from hookwatch.erasing import deletions
from hookwatch.erasing.deletions import Deletion
from hookwatch.observing.given import Id

router = APIGatewayRouter()

_LONGEST_POSITION = 5
_ENDS_BEFORE_MS = 15_000  # so long before its time is up, with half of it gone, an export's page ends


class DeletionView(TypedDict):
    """`deleted_items` are at least so many."""

    application_id: str
    state: Annotated[str, among(Literal["deleting", "deleted"])]
    requested_at: Time
    requested_by: str
    deleted_items: int
    finished_at: Time | None


class ExportedView(TypedDict):
    """`item` is as the other routes show what is of that `kind`; those of a mute and of `stats` name their endpoint."""

    kind: Annotated[str, among(exports.Kind)]
    item: dict[str, Any]


def view(application_id: str, deletion: Deletion) -> DeletionView:
    return {
        "application_id": application_id,
        "state": deletion.state,
        "requested_at": times.to_text(deletion.requested_at),
        "requested_by": deletion.requested_by,
        "deleted_items": deletion.deleted_items,
        "finished_at": times.to_text(deletion.finished_at) if deletion.finished_at else None,
    }


@router.delete("/applications/<application_id>", responses=answers(DeletionView, status=202))
def delete_application(application_id: Annotated[Id, Path()]) -> Response[str]:
    """Begins within a minute, and ends some time later. Whether anything is known of the application is not asked."""
    application_id = _one(application_id)
    entry = audited(router.current_event, "application.deletion_requested", application_id, target=application_id)
    return answer(202, view(application_id, deletions.ask(application_id, times.now(), entry)))


@router.get("/applications/<application_id>/deletion", responses=answers(DeletionView))
def get_deletion(application_id: Annotated[Id, Path()]) -> Response[str]:
    application_id = _one(application_id)
    deletion = deletions.find_kept(application_id, times.now())
    if deletion is None:
        raise errors.not_found("deletion")
    return answer(200, view(application_id, deletion))


@router.get("/applications/<application_id>/export", responses=answers(paging.Page[ExportedView]))
def export_application(
    application_id: Annotated[Id, Path()],
    limit: Annotated[int, Query(ge=1, le=exports.LINES_AT_MOST)] = 100,
    cursor: paging.Cursor = None,
) -> Response[str]:
    """Kind by kind. A page may be short, or empty, though there are more."""
    asked = exports.asked(router, _one(application_id))
    lines, position = exports.page(asked, limit, _position(cursor), _has_time)
    return answer(200, {"data": lines, "next_cursor": None if position is None else _cursor(position)})


def _has_time() -> bool:
    return bool(router.lambda_context.get_remaining_time_in_millis() > _ENDS_BEFORE_MS)


def _cursor(position: exports.Position) -> str:
    return paging.cursor(router.current_event, *position, *[""] * (_LONGEST_POSITION - len(position)))


def _position(cursor: str | None) -> exports.Position | None:
    """
    Raises:
        errors.Problem: 422, it is not a cursor of this export.
    """
    padded = paging.read(router.current_event, cursor, _LONGEST_POSITION)
    if padded and padded[0] not in exports.KINDS:  # an earlier version's
        raise paging.not_a_cursor()
    return padded and tuple(part for part in padded if part)


def _one(application_id: str) -> str:
    if application_id == EVERY_APPLICATION:
        raise errors.invalid("Name one application.", {"loc": ["application_id"], "msg": "'*' is every one"})
    return scope(router, application_id)
