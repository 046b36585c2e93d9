"""Bodies of requests: gzip, JSON and lines, within a megabyte."""

import json
import zlib
from typing import Any

from hookwatch import errors

REQUEST_BYTES = 1_000_000


def inflated(body: bytes, content_encoding: str) -> bytes:
    """The body without its Content-Encoding. No more than a megabyte and a byte is ever inflated.

    Raises:
        errors.Problem: 413 over 1 MB; 415, an encoding that is not read here; 422, it is not one member of gzip.
    """
    match content_encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" if body.startswith(_GZIP):
            return _gunzipped(body)
        case "gzip":
            # API Gateway inflates what says gzip and leaves the header there ("Call an API method with a compressed
            # payload"); the local cloud does not. What does not begin as gzip has been inflated on the way.
            return body
        case _:
            raise errors.unsupported("Content-Encoding may be gzip.")


_GZIP = b"\x1f\x8b"  # RFC 1952 §2.3.1


def _gunzipped(body: bytes) -> bytes:
    member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)  # 16: gzip
    try:
        content = member.decompress(body, REQUEST_BYTES + 1)
    except zlib.error:
        raise errors.invalid("The body is not gzip.") from None
    fit(content)
    if not member.eof or member.unused_data:
        raise errors.invalid("The body is not one whole member of gzip.")
    return content


def fit(body: bytes) -> None:
    """
    Raises:
        errors.Problem: 413, it is longer than a megabyte.
    """
    if len(body) > REQUEST_BYTES:
        raise errors.too_large(f"The body is longer than {REQUEST_BYTES:,} bytes.")


def lines(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\n") if line.strip(b" \t\r")]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def parse_json(body: bytes) -> Any:
    """The document, by RFC 8259: UTF-8, no NaN.

    Raises:
        errors.Problem: 422, it is not JSON.
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise errors.invalid("The body is not JSON.") from None
