"""``python -m truecast`` is ``truecast``."""

from truecast.cli.app import main

main()
