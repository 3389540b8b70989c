"""The pace and the circuit breaker of each host, shared by all clients of a process."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from pybreaker import CircuitBreaker, CircuitBreakerError

from truecast.sources.http.errors import HttpError, UnavailableError
from truecast.sources.http.policy import Policy
from truecast.sources.http.waiting import Pace

T = TypeVar("T")


@dataclass
class _Host:
    """What is kept of one host. Its breaker lets one request through at a time."""

    breaker: CircuitBreaker
    pace: Pace = field(default_factory=Pace)


class Traffic:
    """What is kept of all hosts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}

    def let(self, host: str, policy: Policy, ask: Callable[[], T]) -> T:
        """Ask a host when its turn has come, unless it has failed too often.

        Parameters
        ----------
        host : str
            Its name, with its port.
        policy : Policy
            The pace and the thresholds.
        ask : callable
            What asks. An error that is ``passing`` counts against the host.

        Raises
        ------
        UnavailableError
            If the host has failed too often, and the time to leave it alone is not over.
        """
        with self._lock:
            if host not in self._hosts:
                breaker = CircuitBreaker(exclude=[_says_nothing], throw_new_error_on_trip=False)
                self._hosts[host] = _Host(breaker)
            known = self._hosts[host]
        known.breaker.fail_max = policy.breaker_failures
        known.breaker.reset_timeout = policy.breaker_seconds
        known.pace.keep(policy.per_second)
        try:
            return known.breaker.call(ask)
        except CircuitBreakerError:
            raise UnavailableError(
                f"{host} is not asked: it failed {policy.breaker_failures} times in a row, and is "
                f"asked again {policy.breaker_seconds:g} s after the last failure"
            ) from None

    def forget(self, host: str) -> None:
        """Forget a host: it is asked as if for the first time."""
        with self._lock:
            self._hosts.pop(host, None)


def _says_nothing(error: BaseException) -> bool:
    """Whether an error leaves open that the host is well: only a passing one counts."""
    return not (isinstance(error, HttpError) and error.passing)


#: The traffic of this process.
SHARED = Traffic()
