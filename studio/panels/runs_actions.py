"""What can be done with an earlier run: ids, words and icons of the commands, and which have buttons."""

from __future__ import annotations

from typing import Final

BUTTONS: Final = (
    ("runs.compare", "Compare"),
    ("runs.replay", "Show"),
    ("runs.restore", "Restore graph"),
    ("runs.report", "Report"),
)
ACTIONS: Final = (
    ("runs.compare", "Compare two runs", "compare", "Choose two runs (Ctrl+click): figures, parameters and curves side "
     "by side"),
    ("runs.replay", "Show the run on the canvas", "run", "States, times and curves of this run, from its events"),
    ("runs.restore", "Restore its graph", "graph", "The graph as it was in this run; undo brings yours back"),
    ("runs.report", "Open its report", "report", "The run's report in the browser"),
    ("runs.pin", "Pin", "pin", "A pinned run's results are never cleaned up"),
    ("runs.folder", "Open its folder", "folder", "The run's files"),
    ("runs.verify", "Copy the command that verifies it", "check", "Runs everything again and compares every byte"),
)  # fmt: skip
