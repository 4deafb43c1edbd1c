"""Seconds that Dagster needs for a chain of no-ops in this process: `python dagster.py COUNT`."""

import logging
import sys
import time

sys.path.pop(0)  # this file's folder, or `import dagster` finds this file

from dagster import In, job, op  # noqa: E402

logging.disable(logging.CRITICAL)
COUNT = int(sys.argv[1])


@op
def first() -> int:
    return 1


@op(ins={"value": In()})
def same(value):  # type: ignore[no-untyped-def]  # dagster reads annotations as its own types
    return value


@job
def chain() -> None:
    value = first()
    for place in range(COUNT - 1):
        value = same.alias(f"n{place}")(value)


start = time.perf_counter()
if not chain.execute_in_process().success:
    raise SystemExit("the chain failed")
sys.stdout.write(f"{time.perf_counter() - start}\n")
