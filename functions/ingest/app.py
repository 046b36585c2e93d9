"""HTTP → SIGNALS. What is answered with 202 is on the queue, all of it."""

import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext
from pynamodb.exceptions import PynamoDBException
from typing_extensions import TypedDict

import hookwatch
from hookwatch import errors, tables, times
from hookwatch.api import BASE_PATH, answer, authorize, identity_of, raw_body
from hookwatch.api.answers import answers, takes
from hookwatch.api.idempotency import Idempotency
from hookwatch.api.problems import answer_problems
from hookwatch.encryption import Encryption
from hookwatch.logs import logger
from hookwatch.metrics import count, metrics
from hookwatch.observing import bodies, minutes, reports, sources
from hookwatch.observing.arrivals import Arrivals
from hookwatch.observing.queue import SignalsQueue
from hookwatch.observing.signals import Attempt, Signal, to_reports, without_path
from hookwatch.settings import IngestSettings

settings = IngestSettings.from_environment()
queue = SignalsQueue(settings.signals_queue_url)
arrivals = Arrivals()
source_secrets = sources.SecretCache(Encryption(settings.secrets_encryption_key))
tables.connect(tables.Source, tables.ApplicationTraffic)
app = APIGatewayRestResolver(strip_prefixes=[BASE_PATH])
app.use([authorize, Idempotency().middleware])
answer_problems(app)


class Rejected(TypedDict):
    index: int
    loc: list[str | int]
    msg: str


class Ignored(TypedDict):
    index: int
    msg: str


class Accepted(TypedDict):
    """`rejected` are malformed, `ignored` too old or too far ahead; the others are on the queue."""

    accepted: int
    batch_id: str
    rejected: list[Rejected]
    ignored: list[Ignored]


class Health(TypedDict):
    status: str
    version: str


@app.post("/signals", responses=answers(Accepted, status=202), openapi_extensions=takes("SignalsBody"))
def post_signals() -> Response[str]:
    """All of it is on the queue, but for what is `rejected` or `ignored`. As JSON, or a signal a line, gzip or not."""
    request, received_at = app.current_event, times.now()
    identity, query = identity_of(request), request.query_string_parameters
    checked = reports.check(
        bodies.inflated(raw_body(request), request.headers.get("Content-Encoding", "")),
        received_at=received_at,
        is_strict=_is_strict(query.get("strict", "false")),
        content_type=request.headers.get("Content-Type", ""),
        application_id=query.get("application_id"),
    )
    if not identity.is_for(checked.application_id):
        raise errors.not_found("application")
    batch_id = put(
        checked.signals,
        application_id=checked.application_id,
        received_at=received_at,
        reported_by=f"key:{identity.key_id}",
        idempotency_key=request.headers.get("Idempotency-Key", ""),
    )
    count("SignalsRejected", len({item["index"] for item in checked.rejected}))
    count("SignalsIgnored", len(checked.ignored))
    count("UnknownFields", checked.unknown_fields)
    return accepted(len(checked.signals), batch_id, checked.rejected, checked.ignored)


def _is_strict(said: str) -> bool:
    if said not in ("true", "false"):
        raise errors.invalid(
            "The request is not what this route takes.", {"loc": ["strict"], "msg": "is true or false"}
        )
    return said == "true"


@app.post("/sources/<source_id>", responses=answers(Accepted, 401, 404, status=202))
def post_to_source(source_id: str) -> Response[str]:
    """A webhook of the platform that the source is for, signed as that platform signs."""
    request, received_at = app.current_event, times.now()
    headers = {name.lower(): value for name, value in request.headers.items()}
    source, body = sources.get(source_id), raw_body(request)
    bodies.fit(body)
    platform = sources.PLATFORMS[source.kind]
    platform.verify(headers, body, secret=source_secrets.of(source), now=received_at)
    translated = platform.translate(headers, body, source_id=source_id)
    if translated is None:
        count("SignalsIgnored")
        return accepted(0, new_batch_id(), ignored=({"index": 0, "msg": "says nothing about a monitored endpoint"},))
    application_id, signal = translated
    if source.application_id not in (None, application_id):
        raise errors.invalid(
            "The source is for another application.", {"loc": ["application_id"], "msg": "another one"}
        )
    batch_id = put([signal], application_id=application_id, received_at=received_at, reported_by=f"source:{source_id}")
    return accepted(1, batch_id)


def count_minute(application_id: str, signals: Collection[Signal], now: datetime) -> None:
    """For the sweeper, which compares minutes and knows silence by them. What is on the queue is not refused for want
    of it."""
    attempts = sum(isinstance(signal, Attempt) for signal in signals)
    try:
        if attempts:
            minutes.count(application_id, attempts, now)
        if signals:
            arrivals.note(now)
    except PynamoDBException:
        logger.exception("the minute of an application was not counted", application_id=application_id)
        count("MinutesNotCounted")


@app.get("/health", responses=answers(Health))
def get_health() -> Response[str]:
    return answer(200, {"status": "ok", "version": hookwatch.__version__})


def put(
    signals: Collection[Signal],
    *,
    application_id: str,
    received_at: datetime,
    reported_by: str,
    idempotency_key: str = "",
) -> str:
    """Puts them on SIGNALS, all or none known of. The batch's id, under which the log has them."""
    batch_id = new_batch_id()
    queue.put(
        to_reports(
            map(without_path, signals) if settings.hide_url_paths else signals,
            application_id=application_id,
            received_at=received_at,
            reported_by=reported_by,
            batch_id=batch_id,
            idempotency_key=idempotency_key,
        )
    )
    count_minute(application_id, signals, received_at)
    count("SignalsAccepted", len(signals))
    logger.info(
        "signals queued",
        application_id=application_id,
        batch_id=batch_id,
        accepted=len(signals),
        reported_by=reported_by,
    )
    return batch_id


def new_batch_id() -> str:
    return f"batch_{secrets.token_hex(12)}"


def accepted(
    count: int, batch_id: str, rejected: tuple[dict[str, Any], ...] = (), ignored: tuple[dict[str, Any], ...] = ()
) -> Response[str]:
    return answer(202, {"accepted": count, "batch_id": batch_id, "rejected": rejected, "ignored": ignored})


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
