"""Any clip of an audio set: its waveform above its spectrogram."""

from __future__ import annotations

from typing import Any

from engine.artifact import AudioSet
from studio.views.data.maps import Map, Sound, spectrogram
from studio.views.data.source import Source
from studio.views.parts import Choice
from studio.views.play import Player
from studio.views.sound import WIDE_PX, SoundCard
from studio.views.viewer import viewer


@viewer(AudioSet, "Waveform")
class WaveformCard(SoundCard):
    """A waveform above its spectrogram."""

    title = "Waveform"

    def __init__(self, player: Player | None = None) -> None:
        self.scale = Choice("Frequency", (("mel", "mel"), ("linear", "linear")))
        super().__init__(player)
        self.scale.changed.connect(lambda _key: self._read())
        self.chooser.extras.addWidget(self.scale)
        self.offer(self.scale)
        self.arrange()

    def drawer(self) -> Any:
        """Samples and their spectrogram."""
        bands = self.scale.value

        def draw(source: Source, row: int) -> tuple[Sound, Map]:
            sound = source.sound(row)
            assert sound is not None, "an audio set has the sound of its clips"
            return sound, spectrogram(sound.samples, sound.rate_hz, bands)

        return draw

    def arrange(self) -> None:
        """The choice of scale needs room; the menu has it where there is none."""
        super().arrange()
        self.scale.setVisible(self.width() >= WIDE_PX)
