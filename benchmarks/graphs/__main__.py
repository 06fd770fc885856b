"""`python -m benchmarks.graphs FILE.json`: draws the graphs of a kept run anew."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.graphs import write_graphs

for name in sys.argv[1:]:
    for path in write_graphs(Path(name)):
        print(path)
