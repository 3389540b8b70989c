"""Ask again what may pass."""

from collections.abc import Callable
from typing import Any, TypeVar

import tenacity

from truecast.sources.http import waiting
from truecast.sources.http.errors import HttpError
from truecast.sources.http.policy import Policy

T = TypeVar("T")

_LONGEST_BACKOFF = 30


def persist(policy: Policy, ask: Callable[[], T]) -> T:
    """Ask until there is an answer, an error that will not pass, or no attempt is left.

    The wait between two attempts doubles from one second on, has a random part, and is never
    shorter than what the vendor asks for.

    Parameters
    ----------
    policy : Policy
        How often.
    ask : callable
        What raises an :class:`HttpError` that is ``passing`` if it should be called again.
    """
    backoff = tenacity.wait_exponential_jitter(initial=1, max=_LONGEST_BACKOFF, jitter=1)
    again = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(policy.attempts),
        retry=tenacity.retry_if_exception(lambda e: isinstance(e, HttpError) and e.passing),
        wait=lambda state: max(backoff(state), _asked_to_wait(state)),
        sleep=lambda seconds: waiting.pause(seconds),
        reraise=True,
    )
    return again(ask)


def _asked_to_wait(state: tenacity.RetryCallState) -> float:
    error: Any = state.outcome.exception() if state.outcome else None
    wait = getattr(error, "retry_after", None)
    return wait.total_seconds() if wait else 0.0
