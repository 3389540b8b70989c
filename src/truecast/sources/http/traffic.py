"""The pace and the circuit breaker of each host, shared by all clients of a process."""

import threading
from dataclasses import dataclass, field

from pybreaker import CircuitBreaker

from truecast.sources.http.errors import HttpError
from truecast.sources.http.policy import Policy
from truecast.sources.http.waiting import Pace


@dataclass
class Host:
    """What is kept of one host. Its breaker lets one request through at a time."""

    breaker: CircuitBreaker
    pace: Pace = field(default_factory=Pace)


class Traffic:
    """What is kept of all hosts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[str, Host] = {}

    def of(self, host: str, policy: Policy) -> Host:
        """Return what is kept of a host (with its port), with the policy's thresholds."""
        with self._lock:
            if host not in self._hosts:
                breaker = CircuitBreaker(exclude=[_says_nothing], throw_new_error_on_trip=False)
                self._hosts[host] = Host(breaker)
            known = self._hosts[host]
        known.breaker.fail_max = policy.breaker_failures
        known.breaker.reset_timeout = policy.breaker_seconds
        return known

    def forget(self, host: str) -> None:
        """Forget a host: it is asked as if for the first time."""
        with self._lock:
            self._hosts.pop(host, None)


def _says_nothing(error: BaseException) -> bool:
    """Whether an error leaves open that the host is well: only a passing one counts."""
    return not (isinstance(error, HttpError) and error.passing)


#: The traffic of this process.
SHARED = Traffic()
