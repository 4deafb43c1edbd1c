"""Stored features of any clip of a feature set, below the waveform they come from."""

from __future__ import annotations

from typing import Any

from engine.artifact import FeatureSet
from studio.views.data.maps import Map, Sound, Spread, clip_seconds, read_map, read_spread, title_of
from studio.views.data.source import Source
from studio.views.parts import Choice
from studio.views.play import Player
from studio.views.sound import WIDE_PX, Picture, SoundCard
from studio.views.viewer import viewer


@viewer(FeatureSet, "Features")
class FeatureCard(SoundCard):
    """Stored features below the waveform they come from."""

    title = "Features"

    def __init__(self, player: Player | None = None) -> None:
        self.side = Choice("At the side", (("frame", "frame"), ("spread", "mean ± sd")))
        super().__init__(player)
        self.spread: Spread | None = None
        self.side.changed.connect(lambda _key: self._show_spread())
        self.chooser.extras.addWidget(self.side)
        self.offer(self.side)
        self.arrange()

    def show_data(self, data: Source) -> None:
        """Another set, named by what its front end makes."""
        meta = data.artifact.meta
        self.heading.setText(title_of(getattr(meta, "front_end", {}), getattr(meta, "layout", "")))
        self.spread = None
        self.chart.show_spread(None)
        super().show_data(data)
        self._show_spread()

    def drawer(self) -> Any:
        """Stored features, and the samples they come from."""

        def draw(source: Source, row: int) -> tuple[Sound | None, Map]:
            assert isinstance(source.artifact, FeatureSet)
            return source.sound(row), read_map(source.artifact, row)

        return draw

    def span(self, picture: Picture) -> float:
        """What the front end takes of every clip."""
        front = getattr(self.source.artifact.meta, "front_end", {}) if self.source is not None else {}
        return (clip_seconds(front) if picture.map.is_timed else 0.0) or picture.map.end_s

    def _show_spread(self) -> None:
        artifact = self.source.artifact if self.source is not None else None
        if self.side.value != "spread" or not isinstance(artifact, FeatureSet):
            self.chart.show_spread(None)
        elif self.spread is not None:
            self.chart.show_spread(self.spread)
        else:
            self.clip_work.call("spread", lambda: read_spread(artifact), self._take_spread, self.refuse)

    def _take_spread(self, spread: Spread) -> None:
        self.spread = spread
        self.side.setToolTip(f"Mean and standard deviation over {spread.clips:,} of {spread.total:,} clips")
        self._show_spread()

    def arrange(self) -> None:
        """The choice needs room; the menu has it where there is none."""
        super().arrange()
        self.side.setVisible(self.width() >= WIDE_PX)
