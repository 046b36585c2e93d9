"""HTTP → tables."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch.api import (
    BASE_PATH,
    attempts,
    audit,
    authorize,
    event_types,
    events,
    keys,
    monitored_endpoints,
    operational_endpoints,
    policies,
    signing_secrets,
    sources,
    stats,
    with_plain_media_type,
)
from hookwatch.api.idempotency import Idempotency
from hookwatch.api.problems import answer_problems

logger = Logger()
app = APIGatewayRestResolver(strip_prefixes=[BASE_PATH], enable_validation=True)
app.use([authorize, Idempotency(signing_secrets.REFILLS).middleware])
answer_problems(app)
for routes in (
    audit,
    event_types,
    events,
    keys,
    monitored_endpoints,
    policies,
    sources,
    stats,
    attempts,
    signing_secrets,
    operational_endpoints,
):
    app.include_router(routes.router)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(with_plain_media_type(event), context)
