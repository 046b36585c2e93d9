"""The OpenAPI 3.1 document: the routes of both functions, and under `webhooks` what a receiver gets.

`make openapi` writes it to docs/openapi.json, which the api function answers with; nothing of this runs there.
"""

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic import TypeAdapter

import hookwatch
from hookwatch.access import roles
from hookwatch.access.roles import Need
from hookwatch.api import webhooks
from hookwatch.observing.reports import SignalsBody
from hookwatch.policy import Policy

Json = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_REF = f"{_SCHEMAS}{{model}}"
_DESCRIPTION = """\
Hookwatch watches a webhook platform and tells people about it by webhook. Times are RFC 3339 in UTC. What belongs to \
another application is a 404. Send an `Idempotency-Key` with a POST and it can be sent again. docs/api.md says \
the rest; `webhooks` below are the operational events as receivers get them, signed by Standard Webhooks."""

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `id` does not change; docs/api.md lists every one.",
    "required": ["type", "title", "id", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "id": {"type": "string", "examples": ["validation_failed"]},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "maxItems": 100,
            "items": {
                "type": "object",
                "required": ["loc", "msg"],
                "properties": {
                    "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                    "msg": {"type": "string"},
                    "index": {"type": "integer", "description": "Of a signal, where /signals is strict."},
                },
            },
        },
    },
}
# What is told of each, and whether it can come with a `Retry-After`.
_PROBLEMS: Mapping[int, tuple[str, bool]] = {
    400: ("API Gateway could not read the request.", False),
    401: ("There is no valid key, or a signature that does not fit.", False),
    403: ("The role of the key does not allow this.", False),
    404: ("There is no such thing, or it is of another application.", False),
    409: ("It stands against what is there by now, or a request with that Idempotency-Key is under way.", True),
    412: ("It is not any more what If-Match names.", False),
    413: ("The body is too large.", False),
    415: ("The body is of another media type.", False),
    422: ("The request is not what the route takes; `errors` says what and where.", False),
    429: ("There are too many requests; slow down.", True),
    503: ("A part of AWS did not answer; the same request can be sent again.", True),
}

_POWERTOOLS = {"HTTPValidationError", "ResponseValidationError", "ValidationError"}  # its own problems

# What the name of a parameter does not say, wherever it stands.
_PARAMETERS: Mapping[tuple[str, str], Json] = {
    ("query", "application_id"): {"description": "May be left out where the key is for exactly one application."},
    ("query", "limit"): {"description": "A page may be shorter though there are more."},
    ("query", "cursor"): {"description": "The `next_cursor` of the page before, of the same query and the same key."},
    ("query", "since"): {"description": "RFC 3339; included."},
    ("query", "until"): {"description": "RFC 3339; not included."},
    ("path", "operational_endpoint_id"): {"schema": {"type": "string", "pattern": "^oep_[0-9a-f]{24}$"}},
    ("path", "event_id"): {"schema": {"type": "string", "pattern": "^evt_[0-9a-f]{32}$"}},
    ("path", "replay_id"): {"schema": {"type": "string", "pattern": "^rpl_[0-9a-f]{24}$"}},
    ("path", "source_id"): {"schema": {"type": "string", "pattern": "^src_[0-9a-f]{24}$"}},
    ("path", "key_id"): {"schema": {"type": "string", "pattern": "^[0-9a-f]{16}$"}},
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "What is sent again with it within 24 hours is done once, and answered the same.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag of what is to be changed: where it was changed meanwhile, the answer is a 412.",
    "schema": {"type": "string"},
}
_OF_SIGNALS = (
    {"name": "strict", "in": "query", "description": "Refuse the whole request for one malformed signal."}
    | {"schema": {"type": "string", "enum": ["true", "false"], "default": "false"}},
    {
        "name": "application_id",
        "in": "query",
        "description": "Where signals come as lines.",
        "schema": {"type": "string"},
    },
)


def document(*apps: APIGatewayRestResolver) -> Json:
    """The document of the routes of `apps`, in the order of the table of roles: a route without a rule fails."""
    operations: dict[tuple[str, str], Json] = {}
    schemas: Json = {"Problem": _PROBLEM}
    for app in apps:
        told = json.loads(app.get_openapi_json_schema(title="Hookwatch", version=hookwatch.__version__))
        schemas |= {name: schema for name, schema in told["components"]["schemas"].items() if name not in _POWERTOOLS}
        for route in (*app._static_routes, *app._dynamic_routes):  # Powertools' own document is made of these
            if route.include_in_schema:
                operation = told["paths"][route.openapi_path][route.method.lower()]
                named = route.method, route.openapi_path
                operations[named] = _operation(*named, operation, route.func.__name__, route.func.__doc__)
    schemas |= _of_bodies_that_routes_read(schemas) | webhooks.schemas()
    paths: dict[str, Json] = {}
    for method, path in (*roles.NEEDS, *sorted(roles.OPEN)):
        if (method, path) in operations:
            paths.setdefault(path, {})[method.lower()] = operations.pop((method, path))
    if operations:
        raise LookupError(f"these routes are not in the table of roles: {sorted(operations)}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hookwatch",
            "version": hookwatch.__version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "../operational_webhooks", "description": "Where this document is."}],
        "security": [{"key": []}],
        **_tidy({"paths": paths}),
        "components": {
            "schemas": dict(sorted(_tidy(schemas).items())),
            "responses": {f"Problem{status}": _problem(status) for status in _PROBLEMS},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "bearerFormat": "Hookwatch key: hwk_<id>_<secret>"}
            },
        },
        "webhooks": webhooks.webhooks(),
    }


def _operation(method: str, path: str, operation: Json, name: str, docstring: str | None) -> Json:
    first, *others = name.split("_")
    need = roles.NEEDS.get((method, path))
    description = [" ".join(line.strip() for line in docstring.splitlines())] if docstring else []
    if need not in (None, Need.KNOW):
        description.append(f"Roles: {', '.join(role for role in roles.ROLES if role in need.value)}.")
    parameters = [each | _PARAMETERS.get((each["in"], each["name"]), {}) for each in operation.get("parameters", ())]
    if method == "POST" and need:
        parameters.append(_IDEMPOTENCY_KEY)
    if "412" in operation["responses"]:
        parameters.append(_IF_MATCH)
    if path == "/signals":
        parameters += _OF_SIGNALS
    problems = {
        str(status): {"$ref": f"#/components/responses/Problem{status}"}
        for status in sorted(_statuses(method, operation, need))
    }
    return (
        {
            "operationId": first + "".join(word.capitalize() for word in others),
            "summary": f"{first.capitalize()} {' '.join(others)}",
            "description": "\n\n".join(description),
            "tags": [_tag(path)],
            "parameters": parameters,
        }
        | {key: operation[key] for key in ("requestBody",) if key in operation}
        | {"responses": {status: each for status, each in operation["responses"].items() if status < "400"} | problems}
        | ({} if need else {"security": []})
    )


def _statuses(method: str, operation: Json, need: Need | None) -> set[int]:
    """Of the problems that the route names, and those that one can meet whatever it does, API Gateway's included."""
    statuses = {400, 429, 503, *(int(status) for status in operation["responses"] if "400" <= status != "422")}
    if need:
        statuses |= {401, 403, 404, 422}
    if method == "POST":
        statuses |= {409, 413, 422} if need else {413, 422}
    if "requestBody" in operation:
        statuses |= {413, 415}
    return statuses


def _problem(status: int) -> Json:
    description, may_wait = _PROBLEMS[status]
    after = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}}
    content = {"application/problem+json": {"schema": _ref("Problem")}}
    return {"description": description, "content": content} | ({"headers": after} if may_wait else {})


def _ref(schema: str) -> Json:
    return {"$ref": _REF.format(model=schema)}


def _tag(path: str) -> str:
    first = path.split("/")[1]
    return first if first and not first.startswith("{") else "operational_endpoints"


def _of_bodies_that_routes_read(schemas: Json) -> Json:
    """By the names that `answers.takes` was told."""
    signals = TypeAdapter(SignalsBody).json_schema(ref_template=_REF)
    _, policy = msgspec.json.schema_components((Policy,), ref_template=_REF.replace("model", "name"))
    whole = schemas["OperationalEndpointBody"]
    patch = {
        "type": "object",
        "description": "A merge patch (RFC 7396) of an OperationalEndpointBody: null clears a field.",
        "properties": {name: _or_null(name, schema, whole) for name, schema in whole["properties"].items()},
        "additionalProperties": False,
    }
    schemas["ApplicationPolicyView"]["properties"] |= {"policy": _ref("Policy"), "own": _ref("Policy")}
    return {**signals.pop("$defs"), "SignalsBody": signals, **policy, "OperationalEndpointPatch": patch}


def _or_null(name: str, schema: Json, whole: Json) -> Json:
    if name in whole["required"]:
        return schema
    if "additionalProperties" in schema:
        members = {"anyOf": [schema["additionalProperties"], {"type": "null"}]}
        schema = {key: value for key, value in schema.items() if key != "maxProperties"}
        schema |= {"additionalProperties": members}
    if {"type": "null"} in schema.get("anyOf", ()):
        return schema
    return {"anyOf": [{key: value for key, value in schema.items() if key != "default"}, {"type": "null"}]}


def _tidy(part: Any) -> Any:
    """Names as the API calls things, and without the titles that Pydantic makes of every name."""
    if isinstance(part, dict):
        return {
            _name(key): _tidy(value) for key, value in part.items() if not (key == "title" and isinstance(value, str))
        }
    if isinstance(part, list):
        return [_tidy(value) for value in part]
    if isinstance(part, float) and part.is_integer():
        return int(part)
    if isinstance(part, str):
        is_reference = part.startswith(_SCHEMAS)
        return _SCHEMAS + _name(part.removeprefix(_SCHEMAS)) if is_reference else inspect.cleandoc(part)
    return part


def _name(name: str) -> str:
    """`Page_EventView_` is `EventPage`, `EventView` is `Event`."""
    page = re.fullmatch(r"Page_(\w+?)(View)?_", name)
    return f"{page[1]}Page" if page else name.removesuffix("View")
