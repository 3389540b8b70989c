"""What an article must be to enter silver, and which versions of which articles a payload adds.

A version of an article is what it says: words, date, symbols, the vendor's opinion. Its name is a
hash of that, and an article's versions are read in the order of ``known_at``, ``published_at`` and
name. So the rows of one receipt give the same table in any order, however they are cut, and
however often they come.

Without a time of the vendor's own a version is known from its receipt on, or from its publication
where clocks differ. A text that comes back after another had taken its place is a row again.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from truecast.core.bars import UTC_TIME
from truecast.core.formatting import formatted
from truecast.core.hashing import hash_of
from truecast.core.news import (
    NEWS_FLAGS,
    PARSED_NEWS,
    item_of,
    normalised_url,
    plain_text,
    story_of,
)
from truecast.lake.schemas import SILVER_NEWS

#: How far a vendor's clock may be before ours.
SKEW = timedelta(minutes=5)
# Earlier than any archive of news: a year that was mistyped.
_EARLIEST = datetime(1700, 1, 1, tzinfo=UTC)

#: The columns that :func:`merge_articles` needs of the versions that are there.
STORED = (
    "item",
    "version",
    "known_at",
    "published_at",
    "title",
    "summary",
    "vendor_score",
    "vendor_label",
    "received_at",
)
#: The order in which the versions of an article follow each other.
ORDER = ("known_at", "published_at", "version")

_SAYS = (
    "published_at",
    "known_at",
    "title",
    "summary",
    "publisher",
    "author",
    "language",
    "symbols",
    "vendor_score",
    "vendor_label",
    "flags",
)
# Flags that say how it was asked for, not what came: they make no other version.
_OF_THE_ASKING = ("truncated", "unsure_period")
_TEXTS = ("title", "summary", "publisher", "author", "language", "vendor_id", "vendor_label")
# What it takes for a version to be another text, rather than the same one found by other means.
_OPINION = ("title", "summary", "vendor_score", "vendor_label")


@dataclass(frozen=True)
class CheckedNews:
    """What the checks made of a payload's articles.

    Parameters
    ----------
    articles : pl.DataFrame
        Those that passed: columns of ``PARSED_NEWS``, and ``item``, ``story`` and ``version``;
        one a version, sorted by item and version.
    quarantined : pl.DataFrame
        Those that did not: ``row``, ``event_time``, ``reason``, ``detail`` and ``content``.
    duplicates : int
        Rows left out because another one says exactly the same.
    """

    articles: pl.DataFrame
    quarantined: pl.DataFrame
    duplicates: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the articles that passed."""
        raised = self.articles["flags"].explode(empty_as_null=True).drop_nulls().unique().sort()
        return tuple(f"some articles {NEWS_FLAGS[flag]} (flag {flag})" for flag in raised)


def check_articles(parsed: pl.DataFrame, received_at: datetime) -> CheckedNews:
    """Part a payload's articles into those that may enter silver and those that may not.

    Kept out are articles with no words (``no_text``), with a date in the future
    (``published_in_future``, ``known_in_future``: more than five minutes after the receipt),
    with one before the year 1700 (``implausible_date``), that were known before they were
    published (``known_before_published``), or that are scored outside [-1, 1]
    (``score_out_of_range``).

    Parameters
    ----------
    parsed : pl.DataFrame
        Columns of ``PARSED_NEWS``.
    received_at : datetime
        When the payload arrived, UTC.
    """
    cleaned = _cleaned(parsed)
    reason = pl.coalesce(
        pl.when(fails).then(pl.lit(name)) for name, (fails, _) in _checks(received_at).items()
    )
    judged = cleaned.with_columns(reason=reason)
    passed = judged.filter(pl.col("reason").is_null()).drop("reason")
    named = passed.with_columns(_names(passed)).sort("item", "version", "row")
    articles = named.unique(["item", "version"], keep="first", maintain_order=True)
    failed = judged.filter(pl.col("reason").is_not_null())
    return CheckedNews(
        articles, _kept_out(failed, parsed, received_at), len(passed) - len(articles)
    )


def merge_articles(
    articles: pl.DataFrame, stored: pl.DataFrame, received_at: datetime
) -> pl.DataFrame:
    """Return the versions that a payload adds: its articles with ``known_at`` and ``basis``.

    Parameters
    ----------
    articles : pl.DataFrame
        Of :class:`CheckedNews`.
    stored : pl.DataFrame
        Columns ``STORED`` of the source's versions.
    received_at : datetime
        When the payload arrived, UTC.

    Notes
    -----
    A version that is not there is added. If an earlier receipt had another text of the article for
    the same moment, as of a file that was edited, the new one is known from its receipt on: what
    was read before stays as it was. A version that is there is added again if it is the last that
    the payload has of its article, another text has taken its place since, and it is not older
    than that one by its date.
    """
    received = pl.lit(received_at).cast(UTC_TIME)
    timed = articles.with_columns(
        known_at=pl.max_horizontal(pl.coalesce("known_at", received), "published_at"),
        basis=pl.when(pl.col("known_at").is_null())
        .then(pl.lit("observed"))
        .otherwise(pl.lit("vendor")),
    )
    fresh = timed.join(stored, on=["item", "version"], how="anti")
    fresh = _not_before(fresh, stored.filter(pl.col("received_at") < received), received)
    # Those with a time of the vendor's come last at every receipt, and are never added again.
    newest = timed.sort(pl.col("basis") == "vendor", *ORDER, nulls_last=False).unique(
        "item", keep="last", maintain_order=True
    )
    known = newest.join(stored.select("item", "version").unique(), on=["item", "version"])
    last = stored.sort(ORDER, nulls_last=False).unique("item", keep="last", maintain_order=True)
    beside = known.join(last.select("item", pl.exclude("item").name.suffix("_last")), on="item")
    other = ~pl.all_horizontal(pl.col(name).eq_missing(pl.col(name + "_last")) for name in _OPINION)
    older = (pl.col("published_at") < pl.col("published_at_last")).fill_null(value=False)
    again = beside.filter(other & ~older & (pl.col("known_at") > pl.col("known_at_last")))
    return pl.concat([fresh, again.select(fresh.columns)]).sort("item", *ORDER)


def _not_before(fresh: pl.DataFrame, earlier: pl.DataFrame, received: pl.Expr) -> pl.DataFrame:
    """Let no text that comes later for a moment that has one rewrite what was read then."""
    told = earlier.select("item", "known_at", told=pl.lit(value=True)).unique()
    same_words = earlier.select("item", *_OPINION, same=pl.lit(value=True)).unique()
    beside = fresh.join(told, on=["item", "known_at"], how="left", maintain_order="left").join(
        same_words, on=["item", *_OPINION], how="left", nulls_equal=True, maintain_order="left"
    )
    late = pl.col("told").is_not_null() & pl.col("same").is_null()
    known_now = pl.max_horizontal(received, "published_at")
    return beside.with_columns(
        known_at=pl.when(late).then(known_now).otherwise("known_at"),
        basis=pl.when(late).then(pl.lit("observed")).otherwise("basis"),
    ).select(fresh.columns)


def as_silver(rows: pl.DataFrame, receipt: dict[str, Any]) -> pl.DataFrame:
    """Put merged versions into the columns of ``silver/news``.

    Parameters
    ----------
    rows : pl.DataFrame
        Of :func:`merge_articles`.
    receipt : dict
        The values of ``source``, ``payload``, ``received_at``, ``simulated`` and ``written_at``.
    """
    completed = rows.with_columns(**{name: pl.lit(value) for name, value in receipt.items()})
    return completed.select(pl.col(name).cast(kind) for name, kind in SILVER_NEWS.items())


def _cleaned(parsed: pl.DataFrame) -> pl.DataFrame:
    """Make the texts readable, bring the addresses into one form, and flag what is odd."""
    texts = [pl.Series(name, map(plain_text, parsed[name]), dtype=pl.String()) for name in _TEXTS]
    url = pl.Series("url", map(normalised_url, parsed["url"]), dtype=pl.String())
    odd = (parsed["url"].str.strip_chars().str.len_bytes() > 0).fill_null(value=False)
    no_date = parsed["published_at"].is_null() & parsed["known_at"].is_null()
    raised = [
        pl.when(pl.lit(odd & url.is_null())).then(pl.lit("odd_url")),
        pl.when(pl.lit(no_date)).then(pl.lit("no_date")),
    ]
    flags = pl.concat_list(pl.col("flags").fill_null(pl.lit([], PARSED_NEWS["flags"])), *raised)
    symbols = pl.col("symbols").fill_null(pl.lit([], PARSED_NEWS["symbols"]))
    return parsed.with_columns(*texts, url).with_columns(
        flags=flags.list.drop_nulls().list.unique().list.sort(),
        symbols=symbols.list.drop_nulls().list.unique().list.sort(),
    )


def _checks(received_at: datetime) -> dict[str, tuple[pl.Expr, str]]:
    """Return each check's name, whether a row fails it, and the column to show."""
    latest = pl.lit(received_at + SKEW).cast(UTC_TIME)
    # The end of a day that is not over is no date in the future: its beginning counts.
    whole_day = pl.when(pl.col("flags").list.contains("day_only")).then(pl.duration(hours=25))
    begun = pl.col("published_at") - whole_day.otherwise(pl.duration(hours=0))
    early = pl.min_horizontal("published_at", "known_at") < _EARLIEST
    unpublished = pl.col("known_at") + SKEW < pl.col("published_at")
    score = pl.col("vendor_score")
    return {
        "no_text": (pl.col("title").is_null() & pl.col("summary").is_null(), "url"),
        "implausible_date": (early, "published_at"),
        "published_in_future": (begun > latest, "published_at"),
        "known_in_future": (pl.col("known_at") > latest, "known_at"),
        "known_before_published": (unpublished, "known_at"),
        "score_out_of_range": (~score.is_between(-1, 1), "vendor_score"),
    }


def _names(rows: pl.DataFrame) -> list[pl.Series]:
    """Return what each article, its story and this version of it are called."""
    moments = ("published_at", "known_at")
    lasting = pl.col("flags").list.set_difference(list(_OF_THE_ASKING)).list.sort()
    said = rows.with_columns(pl.col(moments).dt.epoch("us"), flags=lasting)
    found = [
        (
            item_of(row["url"], row["vendor_id"], row["title"] or row["summary"], _text(row)),
            story_of(row["title"]),
            hash_of({name: row[name] for name in _SAYS})[:16],
        )
        for row in said.rows(named=True)
    ]
    items, stories, versions = zip(*found, strict=True) if found else ((), (), ())
    own = [story or item for story, item in zip(stories, items, strict=True)]
    return [
        pl.Series(name, values, dtype=pl.String())
        for name, values in (("item", items), ("story", own), ("version", versions))
    ]


def _text(row: dict[str, Any]) -> str | None:
    published = row["published_at"]
    return None if published is None else str(published)


def _kept_out(failed: pl.DataFrame, parsed: pl.DataFrame, received_at: datetime) -> pl.DataFrame:
    """Return what quarantine keeps of articles: each as it came, not as it was cleaned."""
    shown = {
        name: formatted(f"{column}={{}}", pl.col(column).cast(pl.String).fill_null("nothing"))
        for name, (_, column) in _checks(received_at).items()
    }
    detail = pl.coalesce(
        pl.when(pl.col("reason") == name).then(text) for name, text in shown.items()
    )
    came = parsed.select(
        "row",
        content=pl.struct(pl.exclude("row")).struct.json_encode(),
    )
    return failed.select("row", "reason", detail=detail, event_time=pl.col("published_at")).join(
        came, on="row", how="left", maintain_order="left"
    )
