"""HTTP → tables."""

from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch.api import (
    BASE_PATH,
    applications,
    attempts,
    audit,
    authorize,
    event_types,
    events,
    filters,
    keys,
    monitored_endpoints,
    operational_endpoints,
    policies,
    replays,
    signing_secrets,
    sources,
    stats,
    with_plain_media_type,
)
from hookwatch.api.answers import answers
from hookwatch.api.idempotency import Idempotency
from hookwatch.api.problems import answer_problems
from hookwatch.logs import logger
from hookwatch.metrics import metrics

app = APIGatewayRestResolver(strip_prefixes=[BASE_PATH], enable_validation=True)
app.use([authorize, Idempotency(signing_secrets.REFILLS).middleware])
answer_problems(app)
for routes in (
    applications,
    audit,
    event_types,
    events,
    filters,
    keys,
    monitored_endpoints,
    policies,
    replays,
    sources,
    stats,
    attempts,
    signing_secrets,
    operational_endpoints,
):
    app.include_router(routes.router)


@app.get("/openapi.json", responses=answers(dict[str, Any]))
def get_openapi() -> Response[str]:
    """This document."""
    document = Path(__file__).with_name("openapi.json").read_text()
    return Response(200, "application/json", document, {"Cache-Control": "public, max-age=300"})


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(with_plain_media_type(event), context)
