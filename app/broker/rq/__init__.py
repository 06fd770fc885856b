"""All that is known of RQ: its keys, its fields, its classes.

Importing this package switches pickle off. RQ falls back to the name that is replaced here wherever no serializer is
passed, and reading a pickle runs code.
"""

from __future__ import annotations

import rq.serializers
from rq.serializers import JSONSerializer

rq.serializers.PickleSerializer = JSONSerializer  # type: ignore[assignment]

__all__ = ["JSONSerializer"]
