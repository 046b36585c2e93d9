"""What strangers give: ids, moments, URLs and labels, as every body has them, and what is told of one that is wrong."""

import re
from datetime import timedelta
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from hookwatch import errors
from hookwatch.observing import privacy, signals

OLDEST = timedelta(days=7)
FARTHEST_AHEAD = timedelta(minutes=5)


def _is_rfc3339(moment: Any) -> Any:
    if not isinstance(moment, str) or not _RFC3339.fullmatch(moment):
        raise ValueError("is not a time of RFC 3339, as 2026-11-23T10:00:00.000Z")
    return moment


def _is_id(text: str) -> str:
    if text == "*":
        raise ValueError("'*' stands for every application and is no id")
    return text


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
Moment = Annotated[AwareDatetime, BeforeValidator(_is_rfc3339)]
# Printable ASCII without spaces: what every platform's ids are made of, and what may stand in a log or a URL.
Id = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$"), AfterValidator(_is_id)]
Url = Annotated[str, Field(max_length=2048, pattern=r"^https?://"), AfterValidator(privacy.without_secrets)]
Label = Annotated[str, Field(max_length=256)]
Labels = Annotated[dict[Annotated[str, Field(min_length=1, max_length=64)], Label], Field(max_length=10)]


def problems(error: ValidationError) -> list[dict[str, Any]]:
    """`[{"loc": […], "msg": "…"}]`, without what was sent, which may be secret, and without names of our own code."""
    return [
        errors.short({"loc": [part for part in detail["loc"] if part not in _TYPES], "msg": _said(detail)})
        for detail in error.errors(include_url=False, include_input=False, include_context=False)
    ]


_TYPES = {"message.attempt", *get_args(signals.ChangeType)}
_OWN_WORDS = {
    "union_tag_invalid": "type is none that can be reported",
    "union_tag_not_found": "type is missing",
    "model_type": "Input should be an object",
    "model_attributes_type": "Input should be an object",
    "dict_type": "Input should be an object",
}


def _said(detail: ErrorDetails) -> str:
    return _OWN_WORDS.get(detail["type"], detail["msg"].removeprefix("Value error, "))
