"""Seconds that Kedro needs for a chain of no-ops in memory: `python kedro.py COUNT`."""

import logging
import sys
import time

sys.path.pop(0)  # this file's folder, or `import kedro` finds this file

from kedro.io import DataCatalog, MemoryDataset  # noqa: E402
from kedro.pipeline import node, pipeline  # noqa: E402
from kedro.runner import SequentialRunner  # noqa: E402

logging.disable(logging.CRITICAL)
COUNT = int(sys.argv[1])


def same(value: int) -> int:
    return value


chain = pipeline([node(same, f"d{place}", f"d{place + 1}", name=f"n{place}") for place in range(COUNT)])
catalog = DataCatalog({"d0": MemoryDataset(1)})
start = time.perf_counter()
SequentialRunner().run(chain, catalog)
sys.stdout.write(f"{time.perf_counter() - start}\n")
