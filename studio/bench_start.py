"""Child process of `ossicle bench editor`: open the window, say when it was painted and what that took.

`python -m studio.bench_start STARTED`, where STARTED is the time.time() at which the parent started it; prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Final

HEAVY: Final = ("torch", "prefect", "librosa", "onnxruntime", "pyqtgraph")
"""What no window may import to start; a prefix of module names."""
BANNED: Final = ("torch", "prefect")


def main(started_s: float) -> None:
    """Paint the window once."""
    from studio.app import application, make_window

    app = application()
    window = make_window("dark")
    window.restore()
    window.show()
    app.processEvents()
    window.repaint()
    seconds = time.time() - started_s
    roots = {name.split(".", 1)[0] for name in sys.modules}
    told = {"s": seconds, "heavy": len(roots & set(BANNED)), "early": sorted(roots & set(HEAVY)), "mb": _resident_mb()}
    sys.stdout.write(json.dumps(told) + "\n")


def _resident_mb() -> float:
    import psutil

    return round(psutil.Process().memory_info().rss / 1e6, 1)


if __name__ == "__main__":
    main(float(sys.argv[1]))
