"""Routes: API keys."""

from collections.abc import Iterable
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from msgspec.structs import replace
from pydantic import BaseModel, Field, field_validator
from typing_extensions import TypedDict

from hookwatch import errors, tables, times
from hookwatch.access import api_keys
from hookwatch.access.api_keys import APPLICATIONS_AT_MOST, ApiKey
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.access.roles import Role
from hookwatch.api import actor_of, answer, audited, idempotency, is_visible, paging
from hookwatch.api.answers import TAKEN, Time, among, answers, no_content
from hookwatch.observing.given import Id

router = APIGatewayRouter()


class KeyBody(BaseModel):
    """`application_ids` is `["*"]` for every application, which only a key of every application gives."""

    model_config = TAKEN

    role: Role
    application_ids: Annotated[
        list[Id | Annotated[str, Field(pattern=r"^\*$")]], Field(min_length=1, max_length=APPLICATIONS_AT_MOST)
    ]
    description: Annotated[str, Field(max_length=256)] = ""

    @field_validator("application_ids")
    @classmethod
    def _all_or_some(cls, named: list[str]) -> list[str]:
        if EVERY_APPLICATION in named and len(named) > 1:
            raise ValueError("'*' stands for every application and stands alone")
        return list(dict.fromkeys(named))


class KeyView(TypedDict):
    key_id: str
    role: Annotated[str, among(Role)]
    application_ids: list[str]
    description: str
    created_at: Time
    created_by: str
    last_used_at: Time | None
    revoked_at: Time | None


class CreatedKey(KeyView):
    """`key` is null where the request was sent again."""

    key: str | None


def view(key: ApiKey) -> KeyView:
    return {
        "key_id": key.key_id,
        "role": key.role,
        "application_ids": list(key.application_ids),
        "description": key.description,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }


@router.post("/keys", responses=answers(CreatedKey, status=201))
def create_key(body: KeyBody) -> Response[str]:
    """The only answer that has the key itself. Sent again after that was lost, it finds the key that it made, which
    nobody knows any more."""
    request = router.current_event
    if not _is_visible(body.application_ids):
        raise errors.not_found("application")
    key_id, made = idempotency.named(request, "", 16, api_keys.find)
    if made:
        if (made.role, list(made.application_ids), made.description) != (
            body.role,
            body.application_ids,
            body.description,
        ):
            raise errors.idempotency_conflict()
        return answer(201, {**view(made), "key": None})
    key, secret = api_keys.new(key_id, body.role, body.application_ids, body.description, actor_of(request))
    entry = audited(request, "key.created", *key.application_ids, target=key_id, after=view(key))
    if not api_keys.create(key, entry):
        raise errors.in_progress()
    return answer(201, {**view(key), "key": f"hwk_{key.key_id}_{secret}"})


@router.get("/keys", responses=answers(paging.Page[KeyView]))
def list_keys(limit: paging.Limit = 50, cursor: paging.Cursor = None) -> Response[str]:
    """Those that are for no other applications than the asking key is, in no order. A page may be short though there
    are more. Revoked ones are shown for 30 days."""
    found = tables.ApiKey.scan(page_size=limit, last_evaluated_key=paging.start(router.current_event, cursor, "key_id"))
    page = paging.page(
        router.current_event, found, tables.ApiKey, lambda item: view(api_keys.from_item(item)), "key_id"
    )
    return answer(200, {**page, "data": [key for key in page["data"] if _is_visible(key["application_ids"])]})


@router.get("/keys/<key_id>", responses=answers(KeyView))
def get_key(key_id: str) -> Response[str]:
    return answer(200, view(_own(key_id)))


@router.delete("/keys/<key_id>", responses=no_content())
def revoke_key(key_id: str) -> Response[str]:
    """In effect within a minute: for so long API Gateway remembers who a key is."""
    key, now = _own(key_id), times.now()
    entry = audited(
        router.current_event,
        "key.revoked",
        *key.application_ids,
        target=key_id,
        before=view(key),
        after=view(replace(key, revoked_at=times.to_text(now))),
    )
    api_keys.revoke(key_id, now, entry)
    return Response(204, body="")


def _own(key_id: str) -> ApiKey:
    key = api_keys.find(key_id)
    if key is None or not _is_visible(key.application_ids):
        raise errors.not_found("key")
    return key


def _is_visible(application_ids: Iterable[str]) -> bool:
    return all(is_visible(router, application_id) for application_id in application_ids)
