"""Where clips and their sound come from: a set, and the audio it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.artifact import Artifact, AudioSet, FeatureSet
from engine.audio import table_of
from engine.errors import OssicleError
from studio.views.data.clips import Clips, read_clips
from studio.views.data.maps import Sound, read_sound
from studio.views.viewer import Scene


@dataclass(frozen=True)
class Source:
    """A set to choose clips from.

    Attributes:
        clips: the set's own table.
        heard: the clips of the audio it was made from, and the row of every clip there.
    """

    artifact: AudioSet | FeatureSet
    clips: Clips
    heard: Clips | None = None
    places: Mapping[str, int] = field(default_factory=dict)

    def sound(self, row: int) -> Sound | None:
        """The samples of a clip; None where the audio is not at hand."""
        found = self.places.get(str(self.clips.table.clip_id[row]))
        if self.heard is None or self.heard.audio is None or found is None:
            return None
        return read_sound(self.heard.audio, self.heard.table, found)


def read_source(artifact: Artifact, scene: Scene) -> Source:
    """The clips of a set, and where their sound is.

    Raises:
        OssicleError: the set cannot be read, or has no clips.
    """
    found = scene.find(AudioSet)
    audio = found if isinstance(found, AudioSet) else None
    clips = read_clips(artifact, audio)
    if not len(clips):
        raise OssicleError("this set has no clips", "at least one", "Look at what its node left out and why")
    if isinstance(artifact, AudioSet):
        return Source(artifact, clips, clips, clips.place)
    assert isinstance(artifact, FeatureSet)
    try:
        heard = Clips(table_of(audio), audio, (), np.zeros(0)) if audio is not None else None
    except OssicleError:
        heard = None  # without their audio features are still worth seeing
    return Source(artifact, clips, heard, heard.place if heard is not None else {})
