"""Every error as application/problem+json (RFC 9457), in one place."""

import json
import re
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)
from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from hookwatch import errors, writes
from hookwatch.api import wrong_body
from hookwatch.errors import Problem
from hookwatch.logs import logger

_ERRORS_AT_MOST = 100  # a body can hold a million unknown names, and Lambda's answer 6 MB


def to_response(problem: Problem) -> Response[str]:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "id": problem.id,
        "detail": problem.detail,
    }
    if problem.errors:
        body["errors"] = [errors.short(error) for error in problem.errors[:_ERRORS_AT_MOST]]
    headers: dict[str, str | list[str]] = {}
    if problem.retry_after_seconds is not None:
        headers["Retry-After"] = str(problem.retry_after_seconds)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(problem.status, "application/problem+json", json.dumps(body), headers)


def answer_problems(app: APIGatewayRestResolver) -> None:
    """Makes `app` answer every error that a request can meet with a problem."""

    @app.exception_handler(Problem)
    def _problem(problem: Problem) -> Response[str]:
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("a request failed", exc_info=problem)
        return to_response(problem)

    @app.exception_handler(RequestValidationError)
    def _invalid(error: RequestValidationError) -> Response[str]:
        unread = wrong_body(app)
        if unread:
            return to_response(unread)
        if error.errors()[0]["type"] == "json_invalid":
            return to_response(errors.invalid("The body is not JSON."))
        wrong = ({"loc": _place(detail["loc"]), "msg": _message(detail["msg"])} for detail in error.errors())
        return to_response(errors.invalid("The request is not what this route takes.", *wrong))

    @app.exception_handler(RequestUnsupportedContentType)
    def _unsupported(_: RequestUnsupportedContentType) -> Response[str]:
        return to_response(errors.unsupported("Send application/json in UTF-8."))

    @app.exception_handler([BotoCoreError, ClientError, PynamoDBException])
    def _aws(error: Exception) -> Response[str]:
        if isinstance(error, PynamoDBException) and writes.code_of(error) == "ValidationException":
            return to_response(errors.invalid("An id, a time or a cursor is not one that can be looked up."))
        logger.error("AWS did not answer", exc_info=error)
        return to_response(errors.unavailable("A part of Hookwatch does not answer; send the same request again."))

    @app.exception_handler([OverflowError, RecursionError])
    def _beyond(_: Exception) -> Response[str]:
        return to_response(errors.invalid("The request holds what cannot be handled: a far-off time, or deep nesting."))

    @app.exception_handler(UnicodeEncodeError)
    def _half(_: UnicodeEncodeError) -> Response[str]:
        return to_response(errors.invalid("The request holds half a character, which is no text."))

    @app.exception_handler(ValueError)
    def _unread(error: ValueError) -> Response[str]:
        """A body is read before any check of ours."""
        if "set_int_max_str_digits" in str(error):  # Python's own limit
            return to_response(errors.invalid("A number in the body has too many digits."))
        wrong = wrong_body(app)
        if wrong is None:
            raise error
        return to_response(wrong)

    @app.not_found
    def _not_found(_: NotFoundError) -> Response[str]:
        return to_response(errors.not_found("route"))


def _place(loc: tuple[str | int, ...]) -> list[str | int]:
    named = [part for part in loc if not _OF_A_UNION.fullmatch(str(part))]
    return named[1:] if named and named[0] in ("body", "query", "path", "header") and len(named) > 1 else named


# How Pydantic names a member of a union, which is of our code and not of the request.
_OF_A_UNION = re.compile(r"function-\w+\[.*\]|constrained-\w+")


def _message(text: str) -> str:
    return text.removeprefix("Value error, ")
