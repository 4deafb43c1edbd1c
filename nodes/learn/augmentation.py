"""`Augmentation`: what training changes about a clip each time it is shown. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from nodes.learn.names import AugmentationName

Noise = Literal["none", "level", "snr"]


@dataclass(frozen=True)
class Augmentation:
    """Random changes; zero turns one off. Shares are of the whole: 0.1 is ten percent."""

    shift_ms: float = 0.0
    """Clips move by up to this, both ways; zeros follow (S1 3.1)."""
    tempo: float = 0.0
    """Speech is slower or faster by up to this share; pitch and formants stay."""
    vocal_tract: float = 0.0
    """Frequencies are scaled by up to this share (vocal tract length perturbation, Jaitly and Hinton 2013)."""
    gain_db: float = 0.0
    """Clips become louder or softer by up to this."""
    reverb: float = 0.0
    """Share of clips put into a synthetic room."""
    noise: Noise = "none"
    """Background noise: `level` times U(0, level) as S1 does, or at a random signal-to-noise ratio."""
    noise_share: float = 0.8
    """Share of clips with noise."""
    level: float = 0.1
    """Largest factor of a background track (noise "level")."""
    snr_low_db: float = 0.0
    snr_high_db: float = 20.0
    """Range of the signal-to-noise ratio (noise "snr")."""
    time_masks: int = 0
    """Stretches of time replaced by the clip's mean (SpecAugment, Park et al. 2019)."""
    time_mask: float = 0.2
    """Longest stretch as a share of the clip."""
    band_masks: int = 0
    """Ranges of mel bands replaced by the clip's mean."""
    band_mask: float = 0.15
    """Widest range as a share of the bands."""
    mixup: float = 0.0
    """Alpha of the Beta distribution that mixes pairs of clips and their labels (Zhang et al. 2018)."""
    mixup_share: float = 1.0
    """Share of clips that are mixed."""

    @property
    def changes_waveforms(self) -> bool:
        """Whether features must be computed anew for every showing."""
        changes = (self.shift_ms, self.tempo, self.vocal_tract, self.gain_db, self.reverb)
        return any(changes) or self.noise != "none"


AUGMENTATIONS: Mapping[AugmentationName, Augmentation] = MappingProxyType(
    {
        "none": Augmentation(),
        "paper": Augmentation(shift_ms=100.0, noise="level", noise_share=0.8, level=0.1),
        "modern": Augmentation(
            shift_ms=100.0,
            tempo=0.12,
            vocal_tract=0.12,
            gain_db=6.0,
            reverb=0.1,
            noise="snr",
            noise_share=0.8,
            snr_low_db=5.0,
            snr_high_db=25.0,
            time_masks=1,
            time_mask=0.16,
            band_masks=1,
            band_mask=0.11,
            mixup=0.2,
            mixup_share=0.5,
        ),
    }
)
"""`paper`: shift and background noise of S1 3.1 with the constants of its repository. `modern`: ours."""
