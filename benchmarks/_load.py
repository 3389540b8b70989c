"""Requests from one thread over kept connections: as fast as they are answered, or at a rate."""

import selectors
from collections import deque
from collections.abc import Iterator
from socket import create_connection
from time import perf_counter


def request(body: str = "", key: str = "") -> bytes:
    """Return a ``POST /predict`` as it goes over the wire."""
    head = ["POST /predict HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    head += ["Content-Type: application/json"] if body else []
    head += [f"Authorization: Bearer {key}"] if key else []
    return ("\r\n".join([*head, "", ""]) + body).encode()


class Connection:
    """One kept connection, with as little in between as there can be."""

    def __init__(self, port: int) -> None:
        self.socket = create_connection(("127.0.0.1", port))
        self._received = b""
        self.due = 0.0

    def send(self, request: bytes) -> None:
        """Send a request."""
        self._received = b""
        self.socket.sendall(request)

    def receive(self) -> bytes | None:
        """Take what has come; return the body of the answer once it is whole."""
        self._received += self.socket.recv(65536)
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._received[:end].lower()
        assert head.startswith(b"http/1.1 200"), self._received
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = self._received[end + 4 :]
        return body if len(body) >= length else None

    def ask(self, request: bytes) -> bytes:
        """Send a request; return the body of the answer."""
        self.send(request)
        while (body := self.receive()) is None:
            pass
        return body


def latencies(port: int, asked: bytes, count: int) -> list[float]:
    """Return the seconds that each of so many requests took, one after another."""
    connection, taken = Connection(port), []
    connection.ask(asked)
    for _ in range(count):
        started = perf_counter()
        connection.ask(asked)
        taken.append(perf_counter() - started)
    return taken


def per_request(port: int, asked: bytes, count: int, connections: int) -> float:
    """Return the seconds a request when several connections ask at once: 1 over the rate."""
    with selectors.DefaultSelector() as ready:
        started = perf_counter()
        for _ in range(connections):
            connection = Connection(port)
            ready.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(asked)
        answered = 0
        while answered < count:
            for key, _ in ready.select():
                if key.data.receive() is not None:
                    answered += 1
                    key.data.send(asked)
        return (perf_counter() - started) / answered


def at_a_rate(port: int, asked: Iterator[bytes], rate: float, count: int) -> list[float]:
    """Send so many requests a second, answered or not; return the seconds that each took.

    They count from when a request was due, also where no connection was free for it then.
    """
    with selectors.DefaultSelector() as ready:
        free = deque(Connection(port) for _ in range(64))
        for connection in free:
            ready.register(connection.socket, selectors.EVENT_READ, connection)
        started, sent, taken = perf_counter(), 0, []
        while len(taken) < count:
            now = perf_counter()
            while sent < count and free and started + sent / rate <= now:
                connection = free.popleft()
                connection.due = started + sent / rate
                connection.send(next(asked))
                sent += 1
            wait = None
            if sent < count and free:
                wait = max(0.0, started + sent / rate - perf_counter())
            for key, _ in ready.select(wait):
                if key.data.receive() is not None:
                    taken.append(perf_counter() - key.data.due)
                    free.append(key.data)
        return taken
