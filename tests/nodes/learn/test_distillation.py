"""The parts of the distillation loss against numbers computed by hand, and who learns from what."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from engine import FeatureSet
from engine.audio import read_features, table_of
from nodes.learn.augmentation import Augmentation
from nodes.learn.distillation import (
    PARTS,
    Alphas,
    Distillation,
    Pupil,
    Teacher,
    embedding,
    hard,
    pupil,
    soft,
    student_of,
)
from nodes.learn.head import Answer
from nodes.learn.loop import Session, train
from nodes.learn.recipe import Recipe
from nodes.learn.source import Batch, FeatureSource, Labels
from nodes.zoo import architecture, build
from nodes.zoo.network import Network

RECIPE = Recipe(optimizer="adamw", epochs=1, rates=(5e-3,), selection="last", dropout=0.0)


def network(seed: int = 0, width: float = 0.5, name: str = "tc_resnet8") -> Network:
    torch.manual_seed(seed)
    return build(architecture(name, width=width, input_shape=(20, 49), classes=10))


def said(logits: list[float], values: list[float]) -> Answer:
    return Answer(torch.tensor([logits]), torch.tensor([values]))


@pytest.fixture(scope="module")
def source(digit_features: FeatureSet) -> FeatureSource:
    table = table_of(digit_features)
    rows = table.subset == "training"
    truth = np.array([digit_features.meta.classes.index(label) for label in table.label[rows].tolist()])
    return FeatureSource(read_features(digit_features, rows), Labels(truth, 10, batch=50), Augmentation())


@pytest.fixture
def batch(source: FeatureSource) -> Batch:
    return source.batch(0, is_calm=True)


# ---- the parts, by hand


def test_hard_is_the_cross_entropy_with_the_target() -> None:
    student = said([math.log(0.7), math.log(0.2), math.log(0.1)], [0.0])
    assert hard(student, None, torch.tensor([[0.0, 1.0, 0.0]]), 1.0).item() == pytest.approx(-math.log(0.2))


def test_soft_weighs_with_the_teachers_probabilities_not_its_logits() -> None:
    student, teacher = said([math.log(0.5), math.log(0.5)], [0.0]), said([math.log(3.0) + 9.0, 9.0], [0.0])
    entropy = -(0.75 * math.log(0.5) + 0.25 * math.log(0.5))
    assert soft(student, teacher, torch.zeros(1, 2), 1.0).item() == pytest.approx(entropy)
    torch.testing.assert_close(soft(student, student, torch.zeros(1, 2), 1.0), torch.tensor(math.log(2.0)))


def test_a_temperature_softens_both_answers() -> None:
    student, teacher = said([4.0, 0.0], [0.0]), said([0.0, 2.0], [0.0])
    wanted, given = 1.0 / (1.0 + math.exp(1.0)), 1.0 / (1.0 + math.exp(-2.0))  # of the first class, at T = 2
    by_hand = -4.0 * (wanted * math.log(given) + (1.0 - wanted) * math.log(1.0 - given))
    assert soft(student, teacher, torch.zeros(1, 2), 2.0).item() == pytest.approx(by_hand)


def test_the_soft_gradient_keeps_its_size_at_high_temperature() -> None:
    teacher = said([2.0, -1.0, 0.5], [0.0])

    def pull(temperature: float) -> Tensor:
        logits = torch.zeros(1, 3, requires_grad=True)
        soft(Answer(logits, torch.zeros(1, 1)), teacher, torch.zeros(1, 3), temperature).backward()
        assert logits.grad is not None
        return logits.grad

    assert 0.5 < float(pull(20.0).norm() / pull(1.0).norm()) < 2.0


def test_embedding_is_the_squared_distance_per_clip() -> None:
    student = Answer(torch.zeros(2, 1), torch.tensor([[1.0, 2.0], [0.0, 0.0]]))
    teacher = Answer(torch.zeros(2, 1), torch.tensor([[4.0, 6.0], [1.0, 0.0]]))
    assert embedding(student, teacher, torch.zeros(2, 1), 1.0).item() == pytest.approx((25.0 + 1.0) / 2)


@pytest.mark.parametrize(
    "alphas", [Alphas(), Alphas(0.0, 1.0), Alphas(2.0, 0.5, 0.25, 3.0), Alphas(0.0, 0.0, 1.0), Alphas(1.0, 0.0, 0.0)]
)
def test_the_loss_is_the_weighted_sum_of_its_parts(alphas: Alphas, batch: Batch) -> None:
    teacher, student = Teacher(network(1), torch.arange(10)), Pupil(network(2))
    objective = Distillation(teacher, alphas)
    torch.manual_seed(0)  # of dropout
    loss, logits = objective(student, batch)
    torch.manual_seed(0)
    taught, found = teacher.answer(batch.features), student.answer(batch.features)
    torch.testing.assert_close(logits, found.logits)
    parts = {name: PARTS[name](found, taught, batch.targets, alphas.temperature).item() for name in alphas.used}
    assert loss.item() == pytest.approx(sum(alpha * parts[name] for name, alpha in alphas.used.items()), rel=1e-5)
    assert objective.means() == pytest.approx(parts, rel=1e-5)
    objective(student.eval(), batch)  # as a policy asks how well clips are known: no step
    assert objective.means() == {}


# ---- who learns what


def test_the_teacher_stays_as_it_is_and_gets_no_gradient(source: FeatureSource) -> None:
    teacher = Teacher(network(1), torch.arange(10))
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    student = pupil(network(2), teacher, Alphas(1.0, 1.0, 1.0), source.features)
    first = student.student.state_dict()["fc.dense.weight"].clone()
    learnt = train(student, source, None, RECIPE, Session(), objective=Distillation(teacher, Alphas(1.0, 1.0, 1.0)))
    assert all(torch.equal(before[name], tensor) for name, tensor in teacher.state_dict().items())
    assert not torch.equal(student_of(learnt.network).state_dict()["fc.dense.weight"], first)
    assert not any(value.requires_grad for value in teacher.parameters()) and not teacher.training


def test_columns_put_the_teachers_classes_in_the_students_order(batch: Batch) -> None:
    inner, order = network(1).eval(), torch.tensor([9, 0, 1, 2, 3, 4, 5, 6, 7, 8])
    torch.testing.assert_close(Teacher(inner, order)(batch.features), inner(batch.features)[:, order])
    torch.testing.assert_close(Teacher(inner, order).answer(batch.features).logits, inner(batch.features)[:, order])


def test_embeddings_of_different_widths_meet_through_a_learnt_map(source: FeatureSource) -> None:
    teacher, alphas = Teacher(network(1, width=1.0), torch.arange(10)), Alphas(0.0, 0.0, 1.0)
    student = pupil(network(2), teacher, alphas, source.features)
    assert student.projection is not None and tuple(student.projection.weight.shape) == (48, 24)
    objective = Distillation(teacher, alphas)
    before = objective(student, source.batch(0, True))[0].item()
    learnt = train(student, source, None, replace(RECIPE, epochs=4), Session(), objective=objective)
    assert objective(learnt.network, source.batch(0, True))[0].item() < 0.5 * before
    assert isinstance(student_of(learnt.network), Network)


@pytest.mark.parametrize(("width", "alpha"), [(0.5, 1.0), (1.0, 0.0)])
def test_no_map_where_none_is_needed(source: FeatureSource, width: float, alpha: float) -> None:
    teacher = Teacher(network(1, width=width), torch.arange(10))
    assert pupil(network(2), teacher, Alphas(1.0, 1.0, alpha), source.features).projection is None


def test_without_teaching_parts_it_is_plain_training(source: FeatureSource) -> None:

    alphas, teacher = Alphas(1.0, 0.0, 0.0), Teacher(network(1), torch.arange(10))
    teacher.network.register_forward_pre_hook(lambda *_: pytest.fail("the teacher is asked"))
    taught = train(Pupil(network(2)), source, None, RECIPE, Session(), objective=Distillation(teacher, alphas))
    plain = train(network(2), source, None, RECIPE, Session())
    pairs = zip(student_of(taught.network).state_dict().values(), plain.network.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_soft_labels_alone_teach_what_the_teacher_thinks(source: FeatureSource) -> None:
    """A student that sees no label still comes to agree with its teacher."""
    recipe = replace(RECIPE, epochs=10, cosine=True)
    inner = train(network(1, width=1.0), source, None, recipe, Session()).network
    objective = Distillation(Teacher(inner, torch.arange(10)), Alphas(0.0, 1.0))
    student = student_of(train(Pupil(network(2)), source, None, recipe, Session(), objective=objective).network)
    teacher = objective.teacher
    agreed = student.eval()(source.features).argmax(1) == teacher(source.features).argmax(1)
    assert agreed.float().mean().item() > 0.8
