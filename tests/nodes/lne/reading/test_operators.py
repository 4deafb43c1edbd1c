"""Every operator that is read, in its variants, against onnxruntime."""

from __future__ import annotations

import pytest
from onnx_cases import CASES, EXACT, MAP, QUANTIZED, Case, model_of, one, weight
from onnx_checks import difference

from nodes.lne.reading import read_onnx
from nodes.lne.reading.operators import OPERATORS


@pytest.mark.parametrize("case", EXACT, ids=[case.label for case in EXACT])
def test_an_operator_is_read_as_onnxruntime_computes_it(case: Case) -> None:
    assert difference(model_of(case)) < 1e-5


def test_every_operator_has_a_case() -> None:
    tried = {node.op_type for case in CASES for node in case.nodes}
    assert set(OPERATORS) - tried == {"ArgMax"}


@pytest.mark.parametrize("case", QUANTIZED, ids=[case.label for case in QUANTIZED])
def test_quantized_tensors_are_read_as_real_ones_with_their_range(case: Case) -> None:
    content = model_of(case)
    reading = read_onnx(content)
    (held,) = {(value.scale, value.zero) for value in reading.ranges.values()}
    assert held == (pytest.approx(0.03), 128)
    assert difference(content, reading) < 0.03


@pytest.mark.parametrize("opset", range(13, 24))
def test_every_opset_is_read(opset: int) -> None:
    case = one("Conv", MAP, weight(5, 6, 3, 3), weight(5), opset=opset)
    assert difference(model_of(case)) < 1e-5
