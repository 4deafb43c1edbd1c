"""The door to NodeGraphQt: its version is asserted, and nothing is imported that the canvas does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from studio.canvas import ngq

CHECK = """
import sys
import studio.canvas.canvas
from PySide6.QtWidgets import QGraphicsItem
roots = {name.split(".")[0] for name in sys.modules}
print(sorted(roots & {"setuptools", "distutils", "Qt", "pyqtgraph", "numpy", "torch", "prefect", "h5py"}))
print("NodeGraphQt.base.graph" in sys.modules, "NodeGraphQt.qgraphics.pipe" in sys.modules)
print(all(sys.modules[f"NodeGraphQt.qgraphics.{name}"].ITEM_CACHE_MODE == QGraphicsItem.CacheMode.NoCache
          for name in ("node_abstract", "node_base", "pipe", "port")))
"""


def test_only_its_views_are_imported() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:3] == ["[]", "False True", "True"]


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "NodeGraphQt", raising=False)
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "0.7.0")
    with pytest.raises(ImportError, match=r"NodeGraphQt 0.7.0 is installed. Expected: 0.6.44"):
        ngq._package()


def test_a_missing_one_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "NodeGraphQt", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ImportError, match="not installed"):
        ngq._package()


def test_versions_compare_as_it_needs() -> None:
    assert ngq._looser("6.11.3") >= ngq._looser("5.10") > ngq._looser("5.9.1")
