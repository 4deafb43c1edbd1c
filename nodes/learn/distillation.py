"""Learn from a teacher: the losses of S3 section III on the clips as they are shown to the student.

L = alpha_h L_h + alpha_s L_s + alpha_e L_e, each part a mean over the batch (the paper prints sums; a mean keeps the
learning rate the same for every batch size).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from nodes.learn.fake_int8 import InInt8
from nodes.learn.head import Answer, answer, embedding_of
from nodes.learn.source import Batch


@dataclass(frozen=True)
class Alphas:
    """Weight of each part of the loss, and the temperature that softens both answers in the soft part."""

    hard: float = 1.0
    soft: float = 1.0
    embedding: float = 0.0
    temperature: float = 1.0

    @property
    def used(self) -> dict[str, float]:
        """Weights by part, those of zero left out."""
        weights = {"hard": self.hard, "soft": self.soft, "embedding": self.embedding}
        return {name: alpha for name, alpha in weights.items() if alpha > 0}


class Pupil(nn.Module):
    """A student, and a learnt linear map (ours) from its embedding to the teacher's where their widths differ.

    The map serves the loss alone and does not become part of the model. Called, it gives the student's logits.
    """

    def __init__(self, student: nn.Module, projection: nn.Linear | None = None) -> None:
        super().__init__()
        self.student, self.projection, self.stage = student, projection, embedding_of(student)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (batch, classes)."""
        logits: Tensor = self.student(features)
        return logits

    def answer(self, features: Tensor) -> Answer:
        """Logits, and the embedding at the teacher's width."""
        found = answer(self.student, features, self.stage)
        return found if self.projection is None else Answer(found.logits, self.projection(found.embedding))


def pupil(student: nn.Module, teacher: nn.Module, alphas: Alphas, example: Tensor) -> Pupil:
    """Make a student ready to learn from a teacher; `example` is the features of a clip or more (clips, *shape)."""
    if "embedding" not in alphas.used:
        return Pupil(student)
    given, wanted = (_width(network, example[:1]) for network in (student, teacher))
    return Pupil(student, nn.Linear(given, wanted, bias=False) if given != wanted else None)


@torch.no_grad()
def _width(network: nn.Module, example: Tensor) -> int:
    """Size of a network's embedding; the network is left in inference mode."""
    return answer(network.eval(), example, embedding_of(network)).embedding.shape[1]


def hard(student: Answer, _teacher: Answer | None, targets: Tensor, _temperature: float) -> Tensor:
    """L_h: cross-entropy against the targets (batch, classes)."""
    return F.cross_entropy(student.logits, targets)


def soft(student: Answer, teacher: Answer | None, _targets: Tensor, temperature: float) -> Tensor:
    """L_s: -sum_c p_t log p_s, both probabilities at a temperature T.

    The paper calls them logits; the formula needs probabilities (slip 38). T squared keeps the size of the gradient
    (Hinton, Vinyals and Dean 2015, section 2).
    """
    assert teacher is not None
    return F.cross_entropy(student.logits / temperature, F.softmax(teacher.logits / temperature, 1)) * temperature**2


def embedding(student: Answer, teacher: Answer | None, _targets: Tensor, _temperature: float) -> Tensor:
    """L_e: squared distance of the embeddings (batch, width), summed over the width."""
    assert teacher is not None
    return (teacher.embedding - student.embedding).square().sum(1).mean()


Part = Callable[[Answer, Answer | None, Tensor, float], Tensor]
PARTS: Final[Mapping[str, Part]] = {"hard": hard, "soft": soft, "embedding": embedding}


class Teacher(nn.Module):
    """A trained network in inference mode, its outputs in the student's order of classes.

    Attributes:
        columns: which of the network's outputs stands for each class of the student (classes,).
    """

    columns: Tensor

    def __init__(self, network: nn.Module, columns: Tensor) -> None:
        super().__init__()
        self.network, self.stage = network, embedding_of(network)
        self.register_buffer("columns", columns)
        self.eval().requires_grad_(False)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (batch, classes)."""
        logits: Tensor = self.network(features)
        return logits[:, self.columns]

    @torch.no_grad()
    def answer(self, features: Tensor) -> Answer:
        """Logits and embedding, without gradients."""
        found = answer(self.network, features, self.stage)
        return Answer(found.logits[:, self.columns], found.embedding)


class Distillation:
    """What a student minimises: an objective of the training loop, for a Pupil.

    The teacher sees each batch exactly as the student does, changed and mixed.

    Attributes:
        is_pure: whether a step can be recorded on a GPU; not so where the student rounds, as torch looks at the steps.
    """

    def __init__(
        self, teacher: Teacher, alphas: Alphas, balance: NDArray[np.float32] | None = None, is_pure: bool = True
    ) -> None:
        """Take a teacher, and weights per class (classes,) for the hard part or none."""
        self.teacher, self.alphas, self.is_pure = teacher, alphas, is_pure
        self._balance = torch.ones(()) if balance is None else torch.from_numpy(balance)
        self._weights = torch.tensor(list(alphas.used.values()), dtype=torch.float32)
        self._sums = torch.zeros(len(alphas.used) + 1)

    def __call__(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss (a scalar) and the student's logits (batch, classes)."""
        learner = getattr(network, "_orig_mod", network)  # what torch.compile was given: hooks are not compiled
        assert isinstance(learner, Pupil)
        self._go_to(batch.features.device)
        used, heat = self.alphas.used, self.alphas.temperature
        taught = self.teacher.answer(batch.features) if used.keys() - {"hard"} else None
        found = learner.answer(batch.features)
        parts = torch.stack([PARTS[name](found, taught, batch.targets * self._balance, heat) for name in used])
        if learner.training:
            self._sums += torch.cat([parts.detach(), torch.ones_like(parts[:1])])
        return parts @ self._weights, found.logits

    def _go_to(self, device: torch.device) -> None:
        if self._sums.device != device:
            self.teacher.to(device)
            self._weights, self._sums = self._weights.to(device), self._sums.to(device)
            self._balance = self._balance.to(device)

    def means(self) -> dict[str, float]:
        """Means of the parts of the loss since the last call, by name; nothing where no step was made."""
        *sums, steps = self._sums.tolist()
        self._sums.zero_()
        return {name: part / steps for name, part in zip(self.alphas.used, sums, strict=True)} if steps else {}


def student_of(trained: nn.Module) -> nn.Module:
    """The student alone of a Pupil that has learnt, in float."""
    assert isinstance(trained, Pupil)
    return trained.student.network if isinstance(trained.student, InInt8) else trained.student
