"""What stops a training, in the house's three parts: a loss that is no number, and memory that does not suffice."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from nodes.learn.compute import Compute
from nodes.learn.errors import LearnError
from nodes.learn.recipe import Recipe
from nodes.learn.source import Batch

CPU_FULL = "DefaultCPUAllocator: can't allocate memory"


def no_number(step: int, rate: float, recipe: Recipe, compute: Compute, batch: Batch) -> LearnError:
    """The error for a loss that is no number at a step (counted from 1) with this batch."""
    odd = int((~torch.isfinite(batch.features)).flatten(1).any(1).sum())
    if odd:
        return LearnError(
            f"the loss is no number at step {step:,}: the features of {odd} of {len(batch.truth)} clips are not finite",
            "finite features",
            "Look at these clips with `ossicle show`, or make the features again",
        )
    return LearnError(
        f"the loss is no number at step {step:,} (learning rate {rate:g})",
        "a finite number at every step",
        "; or ".join(_ways_out(recipe, compute)).capitalize(),
    )


def _ways_out(recipe: Recipe, compute: Compute) -> Iterator[str]:
    yield f"set learning_rate to a tenth, {recipe.rates[0] / 10:g}"
    if not recipe.clip_norm:
        yield "set clip_norm to 1"
    if compute.numbers in ("float16", "bfloat16"):
        yield "set precision to float32"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory does not suffice, on a GPU, in torch or in Python."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and CPU_FULL in str(error)
    )


def out_of_memory(step: int, saved_step: int, batch: int, compute: Compute) -> LearnError:
    """The error for memory that does not suffice at a step (counted from 1); what was saved stays."""
    place = "the GPU's memory" if compute.is_cuda else "memory"
    kept = f"The checkpoint of step {saved_step:,} is kept: free some memory and run again to go on from it; or set"
    return LearnError(
        f"{place} does not suffice at step {step:,} with batches of {batch} clips",
        "room for the network, its gradients and the maps of one batch",
        f"{kept if saved_step else 'Set'} batch to {max(batch // 2, 2)} or choose a smaller network",
    )
