"""Per-layer latency of a Deployment: ours over a peer's (another precision, engine or run), the ratio at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

from engine.artifact import Artifact, Deployment
from engine.console import size
from engine.errors import OssicleError
from studio.views.bars import BarRow, Bars, scrolled
from studio.views.data.latency import Profile, Row, csv_rows, note, read_peers, read_profile, rows_of, with_facts
from studio.views.data.network import read_network
from studio.views.legend import Entry, Legend
from studio.views.parts import Choice, ElidedLabel, LoadedCard
from studio.views.viewer import Scene, viewer

DESCRIPTION_FILE, NETWORK_FILE = "deployment.json", "model.onnx"
WIDE_PX = 460


@dataclass(frozen=True)
class Timing:
    """What the card shows: one profile and what it may be compared with, by name."""

    ours: Profile
    peers: tuple[Profile, ...]
    wholes: tuple[Profile, ...] = ()
    """Engines that were timed without their layers."""


def read_timing(artifact: Artifact, scene: Scene) -> Timing:
    """The deployment's profile, with facts from its network, and everything beside it that was timed.

    Raises:
        OssicleError: no layer was timed.
    """
    raw = artifact.json(DESCRIPTION_FILE)
    ours = _with_network(read_profile(raw, scene.node), artifact)
    if not ours.layers:
        raise OssicleError(
            "no layer of this application was timed", "a profile in deployment.json", "Run the deploy node again"
        )
    beside = read_peers(raw)
    peers = [*(peer for peer in beside if peer.layers), *_others(artifact, scene)]
    wholes = tuple(peer for peer in beside if peer.us and not peer.layers)
    return Timing(replace(ours, name=_title(ours)), tuple(peers), wholes)


def _others(artifact: Artifact, scene: Scene) -> list[Profile]:
    found = []
    named = [*scene.related.items(), *((f"earlier run {n}", item) for n, item in enumerate(scene.earlier, 1))]
    for name, other in named:
        if isinstance(other, Deployment) and other.path != artifact.path:
            try:
                profile = _with_network(read_profile(other.json(DESCRIPTION_FILE)), other)
            except (OssicleError, ValueError, KeyError, TypeError):
                continue  # a damaged neighbour is no reason not to show this one
            if profile.layers:
                found.append(replace(profile, name=f"{_title(profile)} · {name}"))
    return found


def _title(profile: Profile) -> str:
    precision = {"float32": "fp32"}.get(profile.precision, profile.precision)
    return " ".join(filter(None, (precision, profile.engine))) or profile.name or "ours"


def _with_network(profile: Profile, artifact: Artifact) -> Profile:
    path = artifact.path / NETWORK_FILE
    if not path.is_file():
        return profile
    try:
        return with_facts(profile, read_network(path).layers)
    except OssicleError:
        return profile


@viewer(Deployment, "Latency per layer")
class LatencyCard(LoadedCard):
    """One row per layer. `layer_chosen(str)` tells the layer that was clicked."""

    title = "Latency per layer"
    reader = staticmethod(read_timing)
    layer_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.timing: Timing | None = None
        self.rows: tuple[Row, ...] = ()
        self.chart = Bars("Latency per layer")
        self.chart.chosen.connect(self.layer_chosen)
        self.order = Choice("Order", (("network", "network"), ("slowest", "slowest first")))
        self.order.changed.connect(self._draw)
        self.peer = QComboBox()
        self.peer.setAccessibleName("Compare with")
        self.peer.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.peer.setMinimumContentsLength(10)
        self.peer.activated.connect(self._draw)
        self.legend = Legend(rows=1, is_switch=False)
        self.facts = ElidedLabel()
        self.facts.setObjectName("faint")
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.legend, 1)
        foot.addWidget(self.order, 0, Qt.AlignmentFlag.AlignRight)
        foot.addWidget(self.peer)
        self.inner.addWidget(scrolled(self.chart), 1)
        self.inner.addLayout(foot)
        self.inner.addWidget(self.facts)
        self.offer(self.order)
        self._arrange()

    def show_data(self, data: Timing) -> None:
        """Show a timing beside the first peer."""
        self.timing = data
        self.peer.clear()
        self.peer.addItem("alone")
        self.peer.addItems([peer.name for peer in data.peers])
        self.peer.setCurrentIndex(1 if data.peers else 0)
        self.facts.setText(" · ".join([*_facts(data.ours), *_whole_facts(data)]))
        self._draw()
        self._arrange()

    @property
    def beside(self) -> Profile | None:
        """The profile compared with, if any."""
        index = self.peer.currentIndex() - 1
        return self.timing.peers[index] if self.timing is not None and index >= 0 else None

    def _draw(self, *_: object) -> None:
        if self.timing is None:
            return
        ours, beside = self.timing.ours, self.beside
        self.rows = tuple(rows_of(ours, beside, "slowest" if self.order.value == "slowest" else "network"))
        self.chart.show_rows([_bar(row, ours, beside is not None) for row in self.rows])
        self._show_legend()
        self.subtitle.setText("µs · " + ", ".join(profile.name for profile in (ours, beside) if profile is not None))
        self.subtitle.setToolTip(ours.protocol)

    def _show_legend(self) -> None:
        """Names and totals; a narrow card gives the first words alone."""
        if self.timing is None:
            return
        shown = {"ours": self.timing.ours, "peer": self.beside}
        names = {key: profile.name for key, profile in shown.items() if profile is not None}
        if self.width() < WIDE_PX and len({name.split()[0] for name in names.values()}) == len(names):
            names = {key: name.split()[0] for key, name in names.items()}
        tokens = {"ours": "rose", "peer": "mute"}
        self.legend.show_entries(
            [
                Entry(key, f"{names[key]} {profile.us:,.0f} µs", tokens[key], "square", tip=profile.name)
                for key, profile in shown.items()
                if profile is not None
            ]
        )

    def pictured(self) -> QWidget:
        """All rows, also those out of sight."""
        return self.chart if self.chart.visibleRegion().boundingRect().height() < self.chart.height() else self.content

    def table_rows(self) -> list[Sequence[object]]:
        """The chart as a table."""
        if self.timing is None:
            return []
        return csv_rows(self.rows, self.timing.ours.name, self.beside.name if self.beside else "")

    def resizeEvent(self, event: object) -> None:
        """Controls need room; the menu has them where there is none."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._arrange()

    def _arrange(self) -> None:
        is_wide = self.width() >= WIDE_PX
        self.order.setVisible(is_wide)
        self.peer.setVisible(is_wide and self.peer.count() > 1)
        self.facts.setVisible(is_wide and self.height() >= 260)
        self._show_legend()


def _bar(row: Row, profile: Profile, is_compared: bool) -> BarRow:
    ours, peer = row.ours, row.peer
    lines = [row.layer, *(note(ours, profile.of_peak(ours)) if ours is not None else ())]
    if peer is not None:
        lines.append(f"beside: {peer.us:,.2f} µs")
    alone = "" if is_compared or ours is None else f"{_micro(ours.us)} {ours.primitive}".rstrip()
    end = f"{row.ratio:.1f}×" if row.ratio is not None else alone
    return BarRow(row.layer, ours.us if ours else None, peer.us if peer else None, end, "\n".join(lines))


def _micro(us: float) -> str:
    return f"{us:.2f}" if us < 10 else f"{us:.1f}" if us < 100 else f"{us:,.0f}"


def _facts(profile: Profile) -> list[str]:
    """Totals in words."""
    layers = sum(layer.us for layer in profile.layers)
    found = [f"whole inference {profile.us:,.1f} µs (layers alone, profiled: {layers:,.1f})"]
    if profile.preprocessing_us:
        found.append(f"features {profile.preprocessing_us:,.0f} µs")
    found += [f"{name.removesuffix('_bytes').replace('_', ' ')} {size(value)}" for name, value in _bytes(profile)]
    return found + ([profile.protocol] if profile.protocol else [])


def _whole_facts(timing: Timing) -> list[str]:
    us = timing.ours.us
    return [f"{peer.name} {peer.us:,.1f} µs ({peer.us / us:.2f}×)" for peer in timing.wholes if us]


def _bytes(profile: Profile) -> list[tuple[str, int]]:
    return [(name, int(value)) for name, value in profile.memory.items() if name.endswith("_bytes")]
