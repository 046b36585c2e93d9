"""REPLAYS, a wake-up for each step → RETRIES, Replay."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch import secrets_manager, times
from hookwatch.logs import logger
from hookwatch.metrics import count, metrics
from hookwatch.notifying import replays
from hookwatch.notifying.replaying import Replaying
from hookwatch.notifying.replays import Follow, Later, Replay, Take
from hookwatch.notifying.signing import SealKeys
from hookwatch.notifying.wake_ups import WakeUp, WakeUps
from hookwatch.settings import ReplayerSettings

settings = ReplayerSettings.from_environment()
replaying = Replaying(settings)
wake_ups = WakeUps(settings.replays_queue_url)

_ENDS_BEFORE_MS = 15_000  # so long before its time is up a step looks at no further event


def go_on(wake_up: WakeUp, context: LambdaContext) -> bool:
    """Whether the wake-up is done with, or comes again."""
    replay = replays.find(wake_up.replay_id)
    match replays.next_move(replay, wake_up.step, wake_up.sent_at, times.now()):
        case Take() if replay:
            noted = take(replay, context)
            return noted or go_on(wake_up, context)  # else it was cancelled meanwhile, or noted without an answer
        case Follow(step):
            wake_ups.send(wake_up.replay_id, step)
        case Later(delay):
            wake_ups.hide(wake_up, delay)
            return False
    return True


def take(replay: Replay, context: LambdaContext) -> bool:
    """The step, and the wake-up for the next. Whether it could be put on record."""
    keys = SealKeys.from_json(secrets_manager.get(settings.seal_key_secret))
    taken = replaying.take_step(replay, keys, lambda: context.get_remaining_time_in_millis() > _ENDS_BEFORE_MS)
    noted = replays.note(replay, taken)
    count("DeliveriesReplayed", taken.sent)
    logger.info(
        "replayed",
        replay_id=replay.replay_id,
        step=replay.step,
        counted=taken.counted,
        sent=taken.sent,
        failed=taken.failed,
        state=noted.state if noted else "overtaken",
        reason=taken.reason,
    )
    if noted and noted.state == "running":
        wake_ups.send(replay.replay_id, noted.step)
    return noted is not None


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """What raises comes again when SQS shows it again; so does what waits hidden, which is answered as failed."""
    waiting = [wake_up.message_id for wake_up in map(WakeUp, event["Records"]) if not go_on(wake_up, context)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in waiting]}
