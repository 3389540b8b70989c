"""What scorers said of articles: each text is scored once, by whichever process comes first."""

import time
from datetime import UTC, datetime

import polars as pl

from truecast.core.hashing import hash_of
from truecast.core.progress import SILENT, Progress
from truecast.lake.schemas import SILVER_SENTIMENT
from truecast.lake.tables import Table, retried
from truecast.sentiment.base import CLASSES, Scorer, article_text, check_scores

_KEPT = ("content", *CLASSES)
# Texts between two words to a person; seconds between two commits: what a kill may cost.
_BATCH = 128
_SECONDS = 20.0


class Scores:
    """The table ``silver/sentiment`` of one lake.

    A score belongs to a text and a scorer, and says nothing about time: what was known when
    follows from the articles alone.

    Parameters
    ----------
    url : str
        The lake's folder or URL.
    """

    def __init__(self, url: str) -> None:
        self._table = Table(f"{url}/silver/sentiment", SILVER_SENTIMENT, ("scorer",))

    def of(
        self, articles: pl.DataFrame, scorer: Scorer, progress: Progress = SILENT
    ) -> pl.DataFrame:
        """Return articles with their scores; see ``Lake.score_articles``."""
        keyed = articles.with_columns(content=_contents(articles))
        distinct = keyed.unique("content", keep="first", maintain_order=True)
        known = self._known(scorer.id)
        missing = distinct.join(known, on="content", how="anti", maintain_order="left")
        if len(missing):
            self._fill(missing.select("content", "title", "summary"), scorer, progress)
            known = self._known(scorer.id)
        scored = keyed.drop(CLASSES, strict=False).join(
            known, on="content", how="left", maintain_order="left", validate="m:1"
        )
        return scored.drop("content")

    def _known(self, scorer_id: str) -> pl.DataFrame:
        return self._table.read({"scorer": scorer_id}, _KEPT)

    def _fill(self, missing: pl.DataFrame, scorer: Scorer, progress: Progress) -> None:
        """Score texts, and keep what is there from time to time."""
        waiting: list[pl.DataFrame] = []
        kept_at, done = time.monotonic(), 0
        for batch in missing.iter_slices(_BATCH):
            texts = [article_text(*row) for row in batch.select("title", "summary").iter_rows()]
            found = check_scores(scorer.score(texts), len(batch), scorer.id)
            waiting.append(
                batch.select("content").with_columns(
                    pl.Series(name, found[:, place]) for place, name in enumerate(CLASSES)
                )
            )
            done += len(batch)
            progress.step("articles scored", done, len(missing))
            if done == len(missing) or time.monotonic() - kept_at > _SECONDS:
                self._keep(pl.concat(waiting), scorer.id)
                waiting, kept_at = [], time.monotonic()

    def _keep(self, scores: pl.DataFrame, scorer_id: str) -> None:
        """Append what no other process has appended meanwhile."""
        retried(lambda: self._append(scores, scorer_id))

    def _append(self, scores: pl.DataFrame, scorer_id: str) -> None:
        snapshot = self._table.snapshot()
        there = snapshot.read({"scorer": scorer_id}, ["content"])
        rows = scores.join(there, on="content", how="anti", maintain_order="left")
        if len(rows):
            whole = rows.with_columns(
                scorer=pl.lit(scorer_id), written_at=pl.lit(datetime.now(UTC))
            )
            columns = (pl.col(name).cast(kind) for name, kind in SILVER_SENTIMENT.items())
            snapshot.append(whole.select(columns), guard=f"{scorer_id} scores")


def _contents(articles: pl.DataFrame) -> pl.Series:
    """Return the hash of what is scored of each article, by which its score is found again."""
    texts = articles.select("title", "summary").iter_rows()
    return pl.Series("content", [hash_of(list(text))[:32] for text in texts], pl.String)
