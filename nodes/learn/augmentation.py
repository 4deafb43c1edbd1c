"""`Augmentation`: what training changes about a clip each time it is shown. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from nodes.learn.names import AugmentationName, Noise, Policy


@dataclass(frozen=True)
class Augmentation:
    """Random changes; zero turns one off. Shares are of the whole: 0.1 is ten percent."""

    shift_ms: float = 0.0
    """Clips move by up to this, both ways; zeros follow (S1 3.1)."""
    tempo: float = 0.0
    """Speech is slower or faster by up to this share; pitch and formants stay."""
    vocal_tract: float = 0.0
    """Frequencies are scaled by up to this share (vocal tract length perturbation, Jaitly and Hinton 2013)."""
    pitch_semitones: tuple[float, ...] = ()
    """Clips are moved in pitch by one of these, drawn evenly; time stays (S3 III-A). Empty moves none."""
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
    mask_share: float = 1.0
    """Share of clips with such masks."""
    mixup: float = 0.0
    """Alpha of the Beta distribution that mixes pairs of clips and their labels (Zhang et al. 2018)."""
    mixup_share: float = 1.0
    """Share of clips that are mixed."""
    cutmix_share: float = 0.0
    """Share of clips that get a rectangle from another clip of the batch; labels mix by area (Yun et al. 2019)."""
    cutmix_side: float = 0.25
    """Longest side of the rectangle as a share of the bands and of the frames."""
    policy: Policy = "even"
    """How strong masks and CutMix are: drawn evenly, or from how well the network knows a clip (`sap`, see policy)."""
    least_share: float = 0.1
    """Policy `sap`: share of the clips changed among those that the network knows least; `mask_share` and
    `cutmix_share` are those among the best known (S2 3.2: between 10 and 25 %)."""
    sap_a: float = 0.5
    sap_s: float = 10.0
    """Policy `sap`: where and how steeply the strength turns (S2 3.2)."""

    @property
    def changes_waveforms(self) -> bool:
        """Whether features must be computed anew for every showing."""
        changes = (self.shift_ms, self.tempo, self.vocal_tract, self.gain_db, self.reverb)
        return any(changes) or any(self.pitch_semitones) or self.noise != "none"

    @property
    def at_once(self) -> Augmentation:
        """The changes that need no network: all but those that the policy `sap` decides on."""
        is_late = self.policy == "sap"
        return replace(self, policy="even", time_masks=0, band_masks=0, cutmix_share=0.0) if is_late else self


_SPEC_AUGMENT = Augmentation(
    time_masks=1, time_mask=0.3, band_masks=1, band_mask=0.3, mask_share=0.25, policy="sap"
)  # fmt: skip
_CUTMIX = Augmentation(cutmix_share=0.25, cutmix_side=0.25, policy="sap")

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
        "pitch": Augmentation(pitch_semitones=(-2.0, -1.0, 0.0, 1.0, 2.0)),
        "s2": replace(_SPEC_AUGMENT, cutmix_share=0.25, cutmix_side=0.25),
        "s2_cutmix": _CUTMIX,
        "s2_specaugment": _SPEC_AUGMENT,
    }
)
"""`paper`: shift and background noise of S1 3.1, constants of its repository. `modern`: ours. `pitch`: S3 III-A,
every clip in five pitches. `s2`, `s2_cutmix` and `s2_specaugment`: both, CutMix alone and SpecAugment alone of S2 3.2
(sides up to 56 and widths up to 67 of 224 pixels)."""
