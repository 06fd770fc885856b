"""Everything about RQ: its keys, its fields, its classes.

Importing this package disables pickle, because reading a pickle can run code. RQ uses the name that is replaced here
wherever no serializer is passed.
"""

from __future__ import annotations

import rq.serializers
from rq.serializers import JSONSerializer

rq.serializers.PickleSerializer = JSONSerializer  # type: ignore[assignment]

__all__ = ["JSONSerializer"]
