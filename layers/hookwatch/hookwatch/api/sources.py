"""Routes: sources, where foreign platforms post their own webhooks."""

from functools import partial
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import BaseModel, Field, ValidationInfo, field_validator
from typing_extensions import TypedDict

from hookwatch import errors
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.api import answer, api_url, audited, idempotency, is_visible
from hookwatch.api.answers import TAKEN, Time, among, answers, no_content
from hookwatch.encryption import Encryption
from hookwatch.observing import sources
from hookwatch.observing.given import Id
from hookwatch.observing.sources import Source, svix
from hookwatch.settings import ApiSettings

router = APIGatewayRouter()
encryption = Encryption(ApiSettings.from_environment().secrets_encryption_key)


class SourceBody(BaseModel):
    """`application_id` null takes the application from each payload, and needs a key of every application."""

    model_config = TAKEN

    application_id: Id | None
    kind: sources.Kind
    secret: Annotated[str, Field(min_length=16, max_length=512)]

    @field_validator("secret")
    @classmethod
    def _is_of_its_kind(cls, secret: str, info: ValidationInfo) -> str:
        if info.data.get("kind") == "svix":
            svix.key_of(secret)
        return secret


class SourceView(TypedDict):
    """`url` is where the platform posts."""

    source_id: str
    application_id: str | None
    kind: Annotated[str, among(sources.Kind)]
    url: str
    created_at: Time


def view(source: Source) -> SourceView:
    return {
        "source_id": source.source_id,
        "application_id": source.application_id,
        "kind": source.kind,
        "url": f"{api_url(router.current_event)}/sources/{source.source_id}",
        "created_at": source.created_at,
    }


@router.post("/sources", responses=answers(SourceView, status=201))
def create_source(body: SourceBody) -> Response[str]:
    """Sent again after its answer was lost, it finds the source that it made."""
    if not is_visible(router, body.application_id or EVERY_APPLICATION):
        raise errors.not_found("application")
    source_id, made = idempotency.named(router.current_event, "src_", 24, partial(sources.find, is_new=True))
    if made:
        known = (made.application_id, made.kind, sources.decrypt(made, encryption))
        if known != (body.application_id, body.kind, body.secret):
            raise errors.idempotency_conflict()
        return answer(201, view(made))
    source = sources.new(source_id, body.application_id, body.kind, body.secret, encryption)
    entry = audited(router.current_event, "source.created", _owner(source), target=source_id, after=view(source))
    if not sources.create(source, entry):
        raise errors.in_progress()
    return answer(201, view(source))


@router.get("/sources/<source_id>", responses=answers(SourceView))
def get_source(source_id: str) -> Response[str]:
    return answer(200, view(_own(source_id)))


@router.delete("/sources/<source_id>", responses=no_content())
def delete_source(source_id: str) -> Response[str]:
    source = _own(source_id)
    entry = audited(router.current_event, "source.deleted", _owner(source), target=source_id, before=view(source))
    sources.delete(source, entry)
    return Response(204, body="")


def _own(source_id: str) -> Source:
    source = sources.get(source_id)
    if not is_visible(router, _owner(source)):
        raise errors.not_found("source")
    return source


def _owner(source: Source) -> str:
    return source.application_id or EVERY_APPLICATION
