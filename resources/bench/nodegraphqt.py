"""Plain NodeGraphQt 0.6.44 as shipped, with the bench's graph: `python nodegraphqt.py NODES FRAMES`; prints JSON.

Times in seconds and milliseconds, offscreen, 1280 x 800: build until the first full frame with all of it visible, and
the median frame while panning, zooming and dragging one node with everything visible.
"""

import json
import os
import statistics
import sys
import time
import warnings

sys.path.pop(0)
os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ["QT_PREFERRED_BINDING"] = "PySide6"
warnings.simplefilter("ignore")

from NodeGraphQt import BaseNode, NodeGraph  # noqa: E402, TID253
from PySide6 import QtCore, QtWidgets  # noqa: E402, TID253

COUNT, FRAMES = int(sys.argv[1]), int(sys.argv[2])


class Step(BaseNode):
    """One input for many wires, one output, three properties: what the studio's bench has too."""

    __identifier__ = "bench"
    NODE_NAME = "Step"

    def __init__(self) -> None:
        super().__init__()
        self.add_input("before", multi_input=True)
        self.add_output("artifact")
        for name, value in (("number", 0), ("label", "bench"), ("share", 0.5)):
            self.create_property(name, value)


def frame(change, turn: int) -> float:
    start = time.perf_counter()
    change(1 if turn % 2 else -1)
    view.viewport().repaint()
    app.processEvents()
    return 1000 * (time.perf_counter() - start)


def median(change) -> float:
    return round(statistics.median(frame(change, turn) for turn in range(FRAMES)), 2)


app = QtWidgets.QApplication([])
graph = NodeGraph()
graph.register_node(Step)
graph.widget.resize(1280, 800)
graph.widget.show()
app.processEvents()
view = graph.viewer()

spots = json.loads(sys.stdin.readline())
links = json.loads(sys.stdin.readline())
start = time.perf_counter()
made = [graph.create_node("bench.Step", pos=spot, selected=False, push_undo=False) for spot in spots]
for source, target in links:
    made[source].output(0).connect_to(made[target].input(0), push_undo=False)
view.zoom_to_nodes([node.view for node in made])
view.viewport().repaint()
opened = time.perf_counter() - start
app.processEvents()
item = made[COUNT // 2].view
told = {
    "open_s": round(opened, 3),
    "pan_ms": median(lambda way: view._set_viewer_pan(8 * way, 0)),
    "zoom_ms": median(lambda way: view._set_viewer_zoom(way, 0.0)),
    "drag_ms": median(lambda way: item.setPos(item.pos() + QtCore.QPointF(11 * way, 0))),
}
sys.stdout.write(json.dumps(told) + "\n")
