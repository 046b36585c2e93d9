"""What can go wrong with a request, raised where it is found and turned into an HTTP answer in one place."""

from typing import Any

_CHARACTERS_AT_MOST = 256


class Problem(Exception):
    """An answer of RFC 9457 (problem+json): `status`, a stable `id`, and a sentence for a person."""

    def __init__(
        self,
        status: int,
        id: str,  # noqa: A002  # the member's name in the API
        detail: str,
        *,
        errors: tuple[dict[str, Any], ...] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(f"{status} {id}: {detail}")
        self.status = status
        self.id = id
        self.detail = detail
        self.errors = errors
        self.retry_after_seconds = retry_after_seconds


def short(error: dict[str, Any]) -> dict[str, Any]:
    """One of `Problem.errors` without the end of a name that is a megabyte long."""
    place = [part[:_CHARACTERS_AT_MOST] if isinstance(part, str) else part for part in error["loc"]]
    return {**error, "loc": place, "msg": error["msg"][:_CHARACTERS_AT_MOST]}


def not_found(what: str) -> Problem:
    return Problem(404, "not_found", f"There is no such {what}.")


def invalid(detail: str, *errors: dict[str, Any]) -> Problem:
    """422: the body or a parameter is not what the route takes. Each error is `{"loc": […], "msg": "…"}`."""
    return Problem(422, "validation_failed", detail, errors=errors)


def unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail)


def forbidden(detail: str) -> Problem:
    return Problem(403, "forbidden", detail)


def precondition_failed() -> Problem:
    return Problem(412, "precondition_failed", "It was changed meanwhile; read it again.")


def idempotency_conflict() -> Problem:
    return Problem(409, "idempotency_conflict", "The Idempotency-Key was sent before, with another body.")


def conflict(what: str) -> Problem:
    """409: somebody else changed it between our read and our write."""
    return Problem(409, "conflict", f"The {what} was changed meanwhile; send it again.")


def in_progress() -> Problem:
    return Problem(409, "in_progress", "A request with this Idempotency-Key is under way.", retry_after_seconds=1)


def too_large(detail: str) -> Problem:
    return Problem(413, "too_large", detail)


def unsupported(detail: str) -> Problem:
    """415: the body is in a form that the route does not read."""
    return Problem(415, "unsupported_media_type", detail)


def unavailable(detail: str) -> Problem:
    """503: AWS did not take it, or not all of it. Repeating the request is safe."""
    return Problem(503, "unavailable", detail, retry_after_seconds=1)
