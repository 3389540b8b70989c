"""Numbers, truth values and days as they were written: none is made of another.

YAML reads ``yes`` as true, ``.inf`` as a number, and ``2020-13-1`` as text. Taken as leniently as
pydantic does, true would count as 1, and 86400 as a day of 1970.
"""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _dated(value: Any) -> Any:
    if isinstance(value, date) or (isinstance(value, str) and _DATE.fullmatch(value)):
        return value
    raise ValueError(f"write a date such as 2018-06-01, got {value!r}")


#: A whole number: no truth value, no text, no 2.0.
Whole = Annotated[int, Field(strict=True)]
#: A finite number: no truth value, no text.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
#: True or false: no 1, no text.
Flag = Annotated[bool, Field(strict=True)]
#: A day: no number.
Date = Annotated[date, BeforeValidator(_dated)]
