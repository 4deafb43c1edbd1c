"""Latency against accuracy of an optimised network: one point per setting of the precisions, the chosen one ringed."""

from __future__ import annotations

from engine.artifact import Artifact, Report
from engine.errors import OssicleError
from studio.views.choices import is_optimisation
from studio.views.data.document import top_level
from studio.views.data.front import Search, read_search
from studio.views.data.optimisation import REPORT_FILE
from studio.views.pareto import ParetoCard
from studio.views.viewer import Scene, viewer

CHOSEN = "chosen"


def has_trade_off(artifact: Artifact) -> bool:
    """Whether a report is that of an optimisation that explored precisions."""
    return is_optimisation(artifact) and top_level(artifact.path / REPORT_FILE, "trade_off")


def read_trade_off(artifact: Artifact, _scene: Scene) -> Search:
    """The trade-off of report.json.

    Raises:
        OssicleError: there is none, or it is not as `studio.views.data.front` says.
    """
    raw = artifact.json(REPORT_FILE).get("trade_off")
    if raw is None:
        raise OssicleError("no precisions were explored", "a report with trade_off", "Wire features to the node")
    return read_search(raw)


@viewer(Report, "Trade-off", tab="pareto", fits=has_trade_off)
class TradeOffCard(ParetoCard):
    """The settings of the precisions as trials of a search."""

    title = "Trade-off"
    reader = staticmethod(read_trade_off)

    def show_data(self, data: Search) -> None:
        """Show the settings; the chosen one is told about first."""
        super().show_data(data)
        chosen = next((trial for trial in data.trials if trial.params.get(CHOSEN) == "yes"), None)
        if chosen is not None:
            self.choose(chosen.number)
