"""The rows of a kernel's input: where each column of a bar stands, in the order of ``ROWS``."""

from truecast.features.declaration import ROWS

_PLACE = {name: place for place, name in enumerate(ROWS)}

OPEN, HIGH, LOW, CLOSE = (_PLACE[name] for name in ("open", "high", "low", "close"))
VOLUME = _PLACE["volume"]
BID_OPEN, BID_HIGH, BID_LOW, BID_CLOSE = (
    _PLACE[f"bid_{name}"] for name in ("open", "high", "low", "close")
)
ASK_OPEN, ASK_HIGH, ASK_LOW, ASK_CLOSE = (
    _PLACE[f"ask_{name}"] for name in ("open", "high", "low", "close")
)
BID_SIZE, ASK_SIZE = _PLACE["bid_size"], _PLACE["ask_size"]
SESSION = _PLACE["session"]
LOCAL_MINUTE, SINCE_OPEN, UNTIL_CLOSE = (
    _PLACE[name] for name in ("local_minute", "since_open", "until_close")
)
US_SINCE_OPEN, US_UNTIL_CLOSE = _PLACE["us_since_open"], _PLACE["us_until_close"]
RETURN = _PLACE["return"]
