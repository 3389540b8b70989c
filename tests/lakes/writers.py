"""Several processes that write one lake at the same time.

``python writers.py LAKE PROCESSES PAGES SERIES``: each process ingests as many pages of bars that
no other has, of one series of the number given, and prints each bar's day when it is acknowledged.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lakes.pages import DAILY, Pages, page
from truecast.lake.lake import Lake


def write(url: str, me: int, pages: int, series: int) -> None:
    """Ingest a process's pages one by one."""
    symbol = f"S{me % series}"
    for number in range(pages):
        first = 3 * (me * pages + number)
        closes = [float(first + step + 1) for step in range(3)]
        summary = Lake(url).ingest(Pages([page(first, closes, 5000)]), symbol, DAILY)
        assert summary.added == 3, summary
        text = "".join(f"{symbol} {close}\n" for close in closes)
        os.write(1, text.encode())


def main() -> None:
    """Fork the writers and wait for all of them; fails if one fails."""
    url, processes, pages, series = sys.argv[1], *map(int, sys.argv[2:])
    children = []
    for me in range(processes):
        child = os.fork()
        if not child:
            status = 1
            try:
                write(url, me, pages, series)
                status = 0
            except BaseException as error:  # noqa: BLE001 - it is told, and counts as failed
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(status)
        children.append(child)
    sys.exit(max(os.waitpid(child, 0)[1] for child in children) > 0)


if __name__ == "__main__":
    main()
