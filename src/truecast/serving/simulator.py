"""A page from which a person sends made-up articles, one by one or as a stream."""

import threading
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from fastapi import FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse, Response

import truecast
from truecast.core.errors import TruecastError
from truecast.serving.door.guard import LOOPBACK, Guard
from truecast.serving.http import read_json
from truecast.serving.pages import page
from truecast.serving.problems import add_handlers
from truecast.sources.simulated.options import Symbol
from truecast.sources.simulated.outbox import (
    LONGEST,
    SHORTEST,
    Article,
    Tally,
    append,
    compose,
    compose_custom,
)
from truecast.sources.simulated.texts import Sentiment

#: What an article is about, unless another instrument is named.
INSTRUMENT = "^GSPC"
_SENTIMENTS: tuple[Sentiment, ...] = ("positive", "negative", "neutral")
_PAGES = {
    "/": ("simulator.html", "text/html"),
    "/simulator.js": ("simulator.js", "text/javascript"),
    "/simulator.css": ("simulator.css", "text/css"),
    "/page.css": ("page.css", "text/css"),
}


class _Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


_Asked_T = TypeVar("_Asked_T", bound=BaseModel)


class _Asked(_Nothing):
    instrument: Symbol = Field(default=INSTRUMENT, description="Whom it is about.")


class Sent(_Asked):
    """How many articles to send at once."""

    count: int = Field(default=1, ge=1, le=1000, description="How many.")


class Custom(_Asked):
    """An article of one's own."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    text: str = Field(min_length=SHORTEST, max_length=LONGEST, description="What it says.")
    title: str | None = Field(default=None, max_length=300, description="Default: its beginning.")


class Streamed(_Asked):
    """A stream of articles."""

    kind: Literal["positive", "negative", "neutral", "mixed"] = "mixed"
    every_seconds: float = Field(default=5.0, ge=0.1, le=86_400, description="Time between two.")


@dataclass
class Stream:
    """What is known of the stream; ``error`` is why it stopped by itself."""

    running: bool = False
    kind: str = "mixed"
    instrument: str = INSTRUMENT
    every_seconds: float = 5.0
    sent: int = 0
    error: str | None = None


class Simulator:
    """Writes articles to a file, and counts what is there, whoever wrote it.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tally = Tally(path)
        self._stream = Stream()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._switch = threading.Lock()

    def send(self, kind: Sentiment, instrument: str, count: int = 1) -> list[Article]:
        """Write articles of one sentiment; they are on disk when this returns."""
        articles = [compose(kind, instrument) for _ in range(count)]
        append(self.path, articles)
        return articles

    def send_custom(self, asked: Custom) -> Article:
        """Write a person's own article."""
        article = compose_custom(asked.text, asked.instrument, asked.title)
        append(self.path, [article])
        return article

    def statistics(self, *, anew: bool = False) -> dict[str, Any]:
        """Count what stands in the file, all of it again if ``anew``."""
        with self._lock:
            tally = self._tally
            if anew:
                tally.forget()
            tally.look()
            total = tally.total
            return {
                "total": total,
                **{kind: tally.kinds[kind] for kind in _SENTIMENTS},
                "custom": tally.custom,
                "unreadable": tally.unreadable,
                "mean_score": round(tally.score / total, 4) if total else None,
                "last_at": tally.newest[0]["streamed_at"] if tally.newest else None,
                "file": str(self.path),
                "stream": asdict(self._stream),
            }

    def newest(self, limit: int) -> list[Article]:
        """Return the articles that were written last, the newest first."""
        with self._lock:
            self._tally.look()
            return list(self._tally.newest)[:limit]

    def start(self, asked: Streamed) -> Stream:
        """Begin a stream, in the place of one that runs."""
        with self._switch:
            self._end()
            self._stop = threading.Event()
            self._stream = Stream(
                running=True,
                kind=asked.kind,
                instrument=asked.instrument,
                every_seconds=asked.every_seconds,
            )
            work = (self._stream, self._stop)
            self._thread = threading.Thread(target=self._run, args=work, daemon=True)
            self._thread.start()
            return self._stream

    def stop(self) -> Stream:
        """End the stream, if one runs; nothing is sent once this returns."""
        with self._switch:
            self._end()
            return self._stream

    def _end(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, stream: Stream, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                kind = _SENTIMENTS[stream.sent % 3] if stream.kind == "mixed" else stream.kind
                self.send(kind, stream.instrument)  # type: ignore[arg-type]
                stream.sent += 1
                stop.wait(stream.every_seconds)
        except TruecastError as error:
            stream.error = str(error)
        finally:
            stream.running = False


def create_simulator(simulator: Simulator, *, hosts: Collection[str] = LOOPBACK) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    simulator : Simulator
        That writes and counts.
    hosts : collection of str
        Names that the server may be asked for, without port; others are refused.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001
        yield
        await run_in_threadpool(simulator.stop)

    app = FastAPI(
        title="Truecast news simulator",
        summary="Send made-up articles about an instrument.",
        version=truecast.__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        middleware=[Middleware(Guard, hosts=hosts)],
    )
    add_handlers(app)
    _add_routes(app, simulator)
    for path in _PAGES:
        app.add_api_route(path, _page, include_in_schema=False)
    # Problem documents point to the page of documentation, which here is the one page there is.
    app.add_api_route("/docs", lambda: RedirectResponse("/"), include_in_schema=False)
    return app


def _add_routes(app: FastAPI, simulator: Simulator) -> None:
    async def asked(request: Request, model: type[_Asked_T]) -> _Asked_T:
        return await read_json(request, model)

    @app.get("/api/stats", summary="What was sent, and whether a stream runs")
    def statistics() -> dict[str, Any]:
        return simulator.statistics()

    @app.get("/api/articles", summary="What was sent last, the newest first")
    def articles(limit: Annotated[int, Query(ge=1, le=50)] = 50) -> list[Article]:
        return simulator.newest(limit)

    @app.post("/api/reload", summary="Count the file from its beginning again")
    async def reload(request: Request) -> dict[str, Any]:
        await asked(request, _Nothing)
        return await run_in_threadpool(simulator.statistics, anew=True)

    @app.post(
        "/api/stream/start",
        summary="Send articles until told to stop",
        openapi_extra=_body(Streamed),
    )
    async def start(request: Request) -> dict[str, Any]:
        return asdict(await run_in_threadpool(simulator.start, await asked(request, Streamed)))

    @app.post("/api/stream/stop", summary="Stop the stream")
    async def stop(request: Request) -> dict[str, Any]:
        await asked(request, _Nothing)
        return asdict(await run_in_threadpool(simulator.stop))

    @app.post(
        "/api/stream/custom", summary="Send an article of your own", openapi_extra=_body(Custom)
    )
    async def custom(request: Request) -> dict[str, Any]:
        words = await asked(request, Custom)
        return _sent(simulator, [await run_in_threadpool(simulator.send_custom, words)])

    @app.post(
        "/api/stream/{kind}", summary="Send articles of one sentiment", openapi_extra=_body(Sent)
    )
    async def send(kind: Sentiment, request: Request) -> dict[str, Any]:
        words = await asked(request, Sent)
        articles = await run_in_threadpool(simulator.send, kind, words.instrument, words.count)
        return _sent(simulator, articles)


def _body(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a body that is read by hand."""
    return {"requestBody": {"content": {"application/json": {"schema": model.model_json_schema()}}}}


def _sent(simulator: Simulator, articles: list[Article]) -> dict[str, Any]:
    return {
        "status": "sent",
        "count": len(articles),
        "article": articles[-1],
        "file": str(simulator.path),
    }


async def _page(request: Request) -> Response:
    return page(*_PAGES[request.url.path])
