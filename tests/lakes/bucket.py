"""An S3 server on loopback: ``python bucket.py`` prints its port and ends with its input.

Moto's server speaks S3's protocol, conditional puts included, but looks and writes in two steps.
A lock makes it one, as it is in S3.
"""

import logging
import sys
import threading
from collections.abc import Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

_LOCK = threading.Lock()
#: A request for this path makes the next requests as many times fail as its last part says.
SLOW = "/slow-down/"


class OneAtATime:
    """Answers one request after the other; asks to slow down when it was told to."""

    def __init__(self) -> None:
        self.app = DomainDispatcherApplication(create_backend_app)
        self.refuse = 0

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        with _LOCK:
            if path.startswith(SLOW):
                self.refuse = int(path.removeprefix(SLOW))
                start("200 OK", [])
                return []
            if self.refuse:
                self.refuse -= 1
                start("503 Slow Down", [("Content-Type", "application/xml")])
                return [b"<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>"]
            return list(self.app(environ, start))


def main() -> None:
    """Serve until the input ends."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, OneAtATime(), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)  # noqa: T201
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
