"""One step of the optimizer, and what is counted in it; on CUDA recorded once and replayed.

Nothing here waits for the device: sums stay there until somebody asks for them, so a GPU is never idle between steps.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from nodes.learn.compute import Compute
from nodes.learn.objective import Objective
from nodes.learn.recipe import Recipe
from nodes.learn.source import Batch

WARM_STEPS: Final = 3
"""Steps before one is recorded: kernels are chosen, and the optimizer makes its memory."""


@dataclass(frozen=True)
class Sums:
    """Sums over steps: losses, clips told right, clips, steps."""

    loss: float = 0.0
    hits: int = 0
    clips: int = 0
    steps: int = 0


class Ledger:
    """Sums since the last point of the curves, and the first step whose loss was no number; all on the device."""

    def __init__(self, device: str) -> None:
        self.clips, self.steps = 0, 0
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._hits = torch.zeros((), dtype=torch.int64, device=device)
        self._done, self._bad = torch.zeros_like(self._hits), torch.zeros_like(self._hits)

    @torch.no_grad()
    def add(self, loss: Tensor, logits: Tensor, truth: Tensor) -> None:
        """Count a step; part of what is recorded, so nothing but work for the device."""
        self._loss += loss
        self._hits += (logits.argmax(1) == truth).sum()
        self._done += 1
        is_first = (self._bad == 0) & ~torch.isfinite(loss)
        torch.where(is_first, self._done, self._bad, out=self._bad)

    def count(self, clips: int) -> None:
        """Count what the host knows without asking."""
        self.clips, self.steps = self.clips + clips, self.steps + 1

    def bad_steps_ago(self) -> int | None:
        """How many steps ago the loss was no number for the first time (0: in the last step); waits for the device."""
        bad = int(self._bad)
        return int(self._done) - bad if bad else None

    @property
    def sums(self) -> Sums:
        """The sums; waits for the device."""
        return Sums(float(self._loss), int(self._hits), self.clips, self.steps)

    def restart(self, sums: Sums = Sums()) -> None:  # noqa: B008 - frozen
        """Begin again from these sums."""
        self._loss.fill_(sums.loss)
        self._hits.fill_(sums.hits)
        self.clips, self.steps = sums.clips, sums.steps


class Step:
    """Forward, backward, clipping and the optimizer on one batch."""

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        objective: Objective,
        compute: Compute,
        ledger: Ledger,
    ) -> None:
        is_pure = bool(getattr(objective, "is_pure", False))
        is_compiled = compute.is_compiled and is_pure
        self.network: nn.Module = torch.compile(network, dynamic=False) if is_compiled else network  # type: ignore[assignment]
        self.optimizer, self.objective, self.compute, self.ledger = optimizer, objective, compute, ledger
        self.clip_norm = recipe.clip_norm
        self.learnt = [value for group in optimizer.param_groups for value in group["params"]]
        self.scaler = torch.amp.GradScaler(torch.device(compute.device).type, enabled=compute.scales)
        is_recorded = compute.is_cuda and is_pure and not compute.scales  # the scaler decides on the host
        self._run: Callable[[Batch], None] = Recorded(self.run) if is_recorded else self.run

    def __call__(self, batch: Batch, rate: float) -> None:
        """Learn from a batch on the device at a learning rate."""
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        self._run(batch)
        self.ledger.count(len(batch.truth))

    def run(self, batch: Batch) -> None:
        """All that happens on the device."""
        with self.compute.autocast():
            loss, logits = self.objective(self.network, batch)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if self.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.learnt, self.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.ledger.add(loss.detach(), logits.detach(), batch.truth)

    @property
    def state(self) -> dict[str, Any]:
        """What the scaler of the loss has learnt, as plain JSON; empty without one."""
        return self.scaler.state_dict()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Give back what `state` gave."""
        if state:
            self.scaler.load_state_dict(dict(state))


class Recorded:
    """A step as one CUDA graph: hundreds of kernels for the price of one launch.

    Small networks leave a GPU waiting for Python; replayed, a step costs what its kernels cost. The first steps run as
    they are; then the step is recorded on tensors of its own, which every later batch is copied into.
    """

    def __init__(self, run: Callable[[Batch], None]) -> None:
        self._plain, self._taken = run, 0
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._graph: torch.cuda.CUDAGraph | None = None
        self._given: Batch | None = None

    def __call__(self, batch: Batch) -> None:
        """Run the step on a batch."""
        if self._taken < WARM_STEPS:
            self._aside(batch)
        elif self._taken == WARM_STEPS:
            self._record(batch)
        if self._taken >= WARM_STEPS:
            self._replay(batch)
        self._taken += 1

    def _aside(self, batch: Batch) -> None:
        """On another stream, as recording asks for."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._plain(batch)
        torch.cuda.current_stream().wait_stream(self._stream)

    def _record(self, batch: Batch) -> None:
        """Record the step without running it; where something in it cannot be recorded, go on without."""
        graph = torch.cuda.CUDAGraph()
        self._given = batch.clone()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # threads prepare batches meanwhile
                self._plain(self._given)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            warnings.warn(f"steps are not replayed as a CUDA graph: {error}", stacklevel=2)
            self._given = None
            torch.cuda.synchronize()
        else:
            self._graph = graph

    def _replay(self, batch: Batch) -> None:
        if self._graph is None or self._given is None or batch.features.shape != self._given.features.shape:
            self._plain(batch)
            return
        self._given.copy_(batch)
        self._graph.replay()
