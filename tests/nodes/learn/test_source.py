"""Batches: order, targets, mixup, and that a batch depends on seed and step alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nodes.dsp.parameters import FrontEnd
from nodes.learn.ahead import ahead
from nodes.learn.augment import Waves, coloured_tracks
from nodes.learn.augmentation import AUGMENTATIONS, Augmentation
from nodes.learn.mix import mixed, smoothed
from nodes.learn.source import Batch, FeatureSource, Labels, WaveSource

FRONT_END = FrontEnd(clip_samples=4000, n_mels=20, n_mfcc=10)


def labels(clips: int = 23, batch: int = 5, **changes: float) -> Labels:
    return Labels(np.arange(clips) % 3, 3, batch, **changes)  # type: ignore[arg-type]


def test_an_epoch_shows_clips_once_and_epochs_differ() -> None:
    rows = [labels().rows(step) for step in range(8)]
    first, second = np.concatenate(rows[:4]), np.concatenate(rows[4:])
    assert len(np.unique(first)) == len(np.unique(second)) == 20
    assert not np.array_equal(first, second)
    assert all(labels().rows(1000 + step).max() < 23 for step in range(8))


def test_a_batch_larger_than_the_data_shows_all_of_it() -> None:
    assert sorted(labels(clips=4, batch=100).rows(7)) == [0, 1, 2, 3]


def test_smaller_classes_are_shown_again_until_all_are_alike() -> None:
    truth = np.repeat([0, 1, 2], [20, 7, 3])
    uneven = Labels(truth, 3, 10, repeats=True)
    assert uneven.steps_per_epoch == 6
    epochs = [np.concatenate([uneven.rows(6 * epoch + step) for step in range(6)]) for epoch in range(2)]
    for rows in epochs:
        shown = np.bincount(rows, minlength=30)
        assert np.bincount(truth[rows]).tolist() == [20, 20, 20]
        assert (shown[:20] == 1).all() and set(shown[20:27]) == {2, 3} and set(shown[27:]) == {6, 7}
    assert not np.array_equal(*epochs)
    assert np.array_equal(epochs[0], np.concatenate([uneven.rows(step) for step in range(6)]))
    same = Labels(truth, 3, 10, repeats=False)
    assert same.steps_per_epoch == 3


def test_classes_without_clips_are_not_repeated() -> None:
    assert Labels(np.array([0, 0, 0, 2]), 4, 2, repeats=True).steps_per_epoch == 3


def test_smoothing_shares_its_part_among_all_classes() -> None:
    np.testing.assert_allclose(smoothed(torch.tensor([1]), 4, 0.2), [[0.05, 0.85, 0.05, 0.05]], atol=1e-7)


def test_mixup_mixes_features_and_targets_alike() -> None:
    truth = torch.arange(200) % 4
    targets, features = smoothed(truth, 4, 0.0), smoothed(truth, 4, 0.0)[:, :, None].repeat(1, 1, 3)
    change = Augmentation(mixup=0.5, mixup_share=0.5)
    x, y = mixed(features, targets, change, np.random.default_rng(0))
    torch.testing.assert_close(x[:, :, 0], y)
    torch.testing.assert_close(y.sum(1), torch.ones(200))
    assert (y.max(1).values >= 0.5).all() and (y.argmax(1) == truth).float().mean() > 0.95
    assert 0.25 < float(((y > 0).sum(1) == 2).float().mean()) < 0.5  # half of them, less those mixed with their own


def wave_source(name: str) -> WaveSource:
    clips = (np.random.default_rng(0).standard_normal((23, 4000)) * 3000).astype(np.int16)
    return WaveSource(Waves(clips, coloured_tracks(16_000), 16_000), FRONT_END, labels(), AUGMENTATIONS[name])


def feature_source(name: str) -> FeatureSource:
    features = np.random.default_rng(0).standard_normal((23, *FRONT_END.shape)).astype(np.float32)
    return FeatureSource(features, labels(smoothing=0.1), AUGMENTATIONS[name])


def same(a: Batch, b: Batch) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("features", "targets", "truth"))


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("make", [wave_source, feature_source])
def test_a_batch_depends_on_seed_and_step_alone(make: type, name: str) -> None:
    one, other = make(name), make(name)
    late = other.batch(9, is_calm=False)
    assert late.features.shape == (5, *FRONT_END.shape) and late.targets.shape == (5, 3)
    one.batch(3, is_calm=False)
    assert same(one.batch(9, is_calm=False), late)
    assert not same(one.batch(10, is_calm=False), late)


def test_calm_batches_are_not_mixed() -> None:
    targets = feature_source("modern").batch(0, is_calm=True).targets
    assert torch.unique(targets).numel() == 2
    assert any(
        torch.unique(feature_source("modern").batch(step, is_calm=False).targets).numel() > 2 for step in range(5)
    )


def test_without_changes_features_are_shown_as_they_are() -> None:
    source = feature_source("none")
    rows = torch.from_numpy(source.labels.rows(3))
    assert torch.equal(source.batch(3, is_calm=False).features, source.features[rows])


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_made_ahead_come_in_order(workers: int) -> None:
    source = wave_source("modern")
    with ahead(lambda step: source.batch(step, is_calm=False), 4, workers) as batches:
        assert all(same(next(batches), source.batch(step, is_calm=False)) for step in range(4, 12))


def test_an_error_in_a_worker_reaches_the_loop() -> None:
    def broken(step: int) -> Batch:
        raise ValueError(f"step {step}")

    with pytest.raises(ValueError, match="step 0"), ahead(broken, 0, 2) as batches:
        next(batches)
