"""The front end in torch, for features of waveforms that augmentation has just changed. No gradients."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nodes.dsp.mel import band_products, dct_matrix, hann
from nodes.dsp.parameters import FrontEnd, FrontEndError, Problem

BLOCK_BYTES = 1 << 22
"""Bytes of windowed frames per block on a processor with caches; other devices take the batch at once."""


class TorchFrontEnd(nn.Module):
    """Waveforms (batch, clip_samples) in [-1, 1) to features (batch, *front_end.shape), float32.

    The numbers are those of `nodes.dsp.frontend.compute` within 1e-4 of their range. Its constants move with `.to()`
    and are no part of a state dict.
    """

    window: Tensor
    dct: Tensor

    def __init__(self, front_end: FrontEnd) -> None:
        super().__init__()
        self.front_end = front_end
        self._constant("window", hann(front_end.window_samples))
        self._constant("dct", dct_matrix(front_end).T)
        self.sources: list[slice] = []
        for i, product in enumerate(band_products(front_end)):
            self.sources.append(product.source)
            self._constant(f"bands_{i}", product.weights)

    def _constant(self, name: str, values: NDArray[np.floating]) -> None:
        self.register_buffer(name, torch.tensor(np.ascontiguousarray(values), dtype=torch.float32), persistent=False)

    @torch.no_grad()
    def forward(self, waveforms: Tensor) -> Tensor:
        """Features of a batch.

        Raises:
            FrontEndError: the batch is not (batch, clip_samples).
        """
        if waveforms.ndim != 2 or waveforms.shape[1] != self.front_end.clip_samples:
            raise FrontEndError(_wrong_shape(self.front_end, waveforms))
        features = waveforms.new_empty((len(waveforms), *self.front_end.shape))
        step = self._clips_per_block(waveforms)
        frames = waveforms.new_zeros((step, self.front_end.frames, self.front_end.fft_samples))
        for first in range(0, len(waveforms), step):
            rows = slice(first, first + step)
            features[rows] = self._arrange(self._coefficients(waveforms[rows], frames))
        return features

    def _clips_per_block(self, waveforms: Tensor) -> int:
        if waveforms.device.type != "cpu":
            return max(len(waveforms), 1)
        return max(1, BLOCK_BYTES // (4 * self.front_end.frames * self.front_end.fft_samples))

    def _coefficients(self, waveforms: Tensor, frames: Tensor) -> Tensor:
        front_end, frames = self.front_end, frames[: len(waveforms)]
        windows = self._padded(waveforms).unfold(1, front_end.window_samples, front_end.hop_samples)
        torch.mul(windows[:, : front_end.frames], self.window, out=frames[..., : front_end.window_samples])
        spectrum = self._spectrum(torch.fft.rfft(frames.flatten(0, 1)))
        weights = (self.get_buffer(f"bands_{i}") for i in range(len(self.sources)))
        products = [spectrum[:, source] @ bands for source, bands in zip(self.sources, weights, strict=True)]
        logs = self._logs(torch.cat(products, dim=1).view(len(waveforms), front_end.frames, -1))
        return logs @ self.dct if front_end.n_mfcc else logs

    def _spectrum(self, bins: Tensor) -> Tensor:
        return bins.abs() if self.front_end.power == 1 else torch.view_as_real(bins).square_().flatten(1)

    def _padded(self, waveforms: Tensor) -> Tensor:
        front_end = self.front_end
        pad, modes = front_end.pad_samples, {"zeros": "constant", "reflect": "reflect"}
        body = nn.functional.pad(waveforms, (0, front_end.append_samples)) if front_end.append_samples else waveforms
        return nn.functional.pad(body, (pad, pad), mode=modes[front_end.padding]) if pad else body

    def _logs(self, mels: Tensor) -> Tensor:
        front_end = self.front_end
        if front_end.log == "ln":
            return (mels + front_end.log_offset).log_()
        lowest = mels.amax(dim=(1, 2), keepdim=True) * 10.0 ** (-front_end.db_range / 10.0)
        return torch.maximum(mels, lowest.clamp_(min=front_end.db_floor)).log10_().mul_(10.0)

    def _arrange(self, rows: Tensor) -> Tensor:
        front_end = self.front_end
        if not front_end.patch_frames:
            return rows.transpose(1, 2)
        patches, size = front_end.shape[0], front_end.patch_frames
        return rows[:, : patches * size].reshape(len(rows), patches, size, -1).transpose(2, 3)


def _wrong_shape(front_end: FrontEnd, waveforms: Tensor) -> Problem:
    shape = " x ".join(map(str, waveforms.shape))
    return Problem(
        f"the waveforms have the shape {shape}",
        f"clips x {front_end.clip_samples} samples",
        "Pad or cut every clip to clip_samples",
    )
