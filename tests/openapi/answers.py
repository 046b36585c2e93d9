"""Whether an answer is one that docs/openapi.json tells of."""

import json
import re
from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError

from tests.openapi import FILE

BASE = "/api/v1/operational_webhooks"


def check(request: dict[str, Any], answer: dict[str, Any]) -> None:
    """That the route's status, media type and body are documented, and nothing else is in the body. Both are as API
    Gateway has them (AWS_PROXY).

    Raises:
        AssertionError: they are not.
    """
    method, path = request["httpMethod"].lower(), request["path"].removeprefix(BASE).rstrip("/") or "/"
    route, status = _route(method, path), str(answer["statusCode"])
    if route is None:
        assert status == "404", f"{method} {path}: no route, and yet {status}"
        return
    documented = _document()["paths"][route][method]["responses"]
    assert status in documented, f"{method} {route}: {status} is not documented: {answer['body'][:500]}"
    if status == "204":
        assert not answer["body"]
        return
    [media_type] = answer["multiValueHeaders"]["Content-Type"]
    validators = _validators(method, route, status)
    assert media_type in validators, f"{method} {route} {status}: {media_type} is not documented"
    try:
        validators[media_type].validate(json.loads(answer["body"]))
    except ValidationError as error:
        raise AssertionError(f"{method} {route} {status}: {error.message} at {error.instance_path}") from error


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FILE.read_text())
    return document


def _route(method: str, path: str) -> str | None:
    """As routes are matched: one without parameters first."""
    fitting = [
        route
        for route, operations in _document()["paths"].items()
        if method in operations and re.fullmatch(re.sub(r"{\w+}", "[^/]+", route), path)
    ]
    return min(fitting, key=lambda route: "{" in route, default=None)


@cache
def _validators(method: str, route: str, status: str) -> dict[str, Draft202012Validator]:
    """By media type."""
    document = _document()
    answer = document["paths"][route][method]["responses"][status]
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rsplit("/")[-1]]
    return {
        media_type: Draft202012Validator(
            {**_closed(content["schema"]), "components": _closed(document["components"])}, validate_formats=True
        )
        for media_type, content in answer["content"].items()
    }


def _closed(part: Any) -> Any:
    """With no properties but those that are named: a schema of today, for fields are only ever added."""
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    closed = {name: _closed(each) for name, each in part.items()}
    return {"additionalProperties": False, **closed} if "properties" in part and "type" in part else closed
