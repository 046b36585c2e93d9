"""`Idempotency-Key` on every POST: what is sent again within 24 hours is not done again, and gets the same answer."""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
    IdempotencyValidationError,
)

from hookwatch import aws, errors, times
from hookwatch.access import roles
from hookwatch.api import answer, identity_of
from hookwatch.metrics import count
from hookwatch.settings import environment

KEPT = timedelta(hours=24)
_KEPT_AT_MOST, _KEPT_OF_A_LIST = 100_000, 100  # an item has 400 KB (DynamoDB quotas), `rejected` up to thousands
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_SHOWN_ONCE = ("key", "secret")

# What an answer had that is not kept, made afresh from the answer without it and the path; by the route.
Refill = Callable[[dict[str, Any], str], dict[str, Any]]


class Idempotency:
    """Under (key id, method, path, Idempotency-Key), bound to the body; a refused request is not kept."""

    def __init__(self, refills: Mapping[str, Refill] | None = None) -> None:
        self._refills = refills or {}
        self._store = DynamoDBPersistenceLayer(environment("IDEMPOTENCY_TABLE"), boto3_client=aws.client("dynamodb"))

    def middleware(self, app: APIGatewayRestResolver, next_middleware: Callable[..., Response[Any]]) -> Response[Any]:
        request, route = app.current_event, app.request.route
        sent = request.headers.get("Idempotency-Key")
        if request.http_method != "POST" or sent is None or ("POST", route) in roles.OPEN:
            return next_middleware(app)
        if not _KEY.fullmatch(sent):
            raise errors.invalid(
                "The Idempotency-Key is not one.",
                {"loc": ["Idempotency-Key"], "msg": "1 to 255 printable ASCII characters without spaces"},
            )
        fresh: list[Response[Any]] = []

        def act(*, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001  # by which it is known
            fresh.append(next_middleware(app))
            return _kept(fresh[0])

        asked = {"for": _asked_for(request, sent), "body": request.body or ""}
        kept = self._once(act, asked, app)
        if fresh:
            return fresh[0]
        count("IdempotentReplays")
        body, refill = json.loads(kept["body"]), self._refills.get(route)
        if refill:
            body = refill(body, request.path)
        return answer(kept["status"], body, **kept["headers"])

    def _once(self, act: Callable[..., dict[str, Any]], asked: dict[str, Any], app: APIGatewayRestResolver) -> Any:
        config = IdempotencyConfig(
            event_key_jmespath="for",
            payload_validation_jmespath="body",
            expires_after_seconds=int(KEPT.total_seconds()),
            hash_function="sha256",
            lambda_context=app.lambda_context,  # a function that dies holds the key no longer than it could have run
        )
        once = idempotent_function(
            act, data_keyword_argument="asked", persistence_store=self._store, config=config, key_prefix="POST"
        )
        try:
            return once(asked=asked)
        except IdempotencyValidationError:
            raise errors.idempotency_conflict() from None
        except IdempotencyAlreadyInProgressError:
            raise errors.in_progress() from None
        except (IdempotencyInconsistentStateError, IdempotencyPersistenceLayerError) as error:
            raise errors.unavailable("A part of Hookwatch does not answer; send the same request again.") from error


class _Made(Protocol):
    @property
    def created_at(self) -> str: ...


Thing = TypeVar("Thing", bound=_Made)


def named(
    request: APIGatewayProxyEvent, prefix: str, digits: int, find: Callable[[str], Thing | None]
) -> tuple[str, Thing | None]:
    """The id of what a request is to make, and that thing where the request, sent before, has made it already.

    With an Idempotency-Key the id is a hash of what is kept above. So a function may die between the making and the
    keeping: the same request finds what it made. What it made more than 24 hours ago is another matter.
    """
    sent, by_chance = request.headers.get("Idempotency-Key"), prefix + secrets.token_hex(digits // 2)
    if sent is None:
        return by_chance, None
    named_by = json.dumps(_asked_for(request, sent)).encode()
    name = prefix + hashlib.sha256(named_by).hexdigest()[:digits]
    made = find(name)
    if made is not None and times.from_text(made.created_at) <= times.now() - KEPT:
        return by_chance, None
    return name, made


def _asked_for(request: APIGatewayProxyEvent, sent: str) -> list[str]:
    """What a request with an Idempotency-Key is known by."""
    return [identity_of(request).key_id, "POST", request.path.rstrip("/"), sent]


def _kept(response: Response[Any]) -> dict[str, Any]:
    """Without what is shown once, for nothing of it lies in the table in clear. As text, which keeps its order."""
    body = json.loads(response.body) if isinstance(response.body, str) else response.body or {}
    body = {name: None if name in _SHOWN_ONCE else value for name, value in body.items()}
    if len(json.dumps(body)) > _KEPT_AT_MOST:
        body = {name: value[:_KEPT_OF_A_LIST] if isinstance(value, list) else value for name, value in body.items()}
    headers = {name: value for name, value in response.headers.items() if name == "ETag"}
    return {"status": response.status_code, "body": json.dumps(body), "headers": headers}
