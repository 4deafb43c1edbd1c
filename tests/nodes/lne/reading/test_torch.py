"""Plain torch modules as torch's two exporters write them."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from onnx_checks import difference
from torch import Tensor, nn
from torch.nn import functional as F

from nodes.lne.reading import read_onnx

Shape = tuple[int, ...]


class Sequence(nn.Module):
    """A convolution over time, recurrent layers, and the last output or the mean of all."""

    def __init__(
        self, kind: Callable[..., nn.Module], layers: int = 1, *, both: bool = False, mean: bool = False
    ) -> None:
        super().__init__()
        self.mean = mean
        self.conv = nn.Conv1d(20, 24, 3, padding=1)
        self.cell = kind(24, 16, layers, batch_first=True, bidirectional=both)
        self.end = nn.Linear(32 if both else 16, 5)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.cell(F.relu(self.conv(x)).transpose(1, 2))
        return self.end(y.mean(1)).log_softmax(-1) if self.mean else self.end(y[:, -1])


class Excited(nn.Module):
    """A squeeze-and-excitation block."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16)
        self.mean, self.down, self.up = nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.end = nn.Linear(16, 7)

    def forward(self, x: Tensor) -> Tensor:
        y = F.hardswish(self.norm(self.conv(x)))
        y = y * F.hardsigmoid(self.up(F.relu(self.down(self.mean(y)))))
        return self.end(y.mean((2, 3))).softmax(1)


class Attended(nn.Module):
    """One gate per position, and two kinds of pooling side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate, self.end = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 1, 1), nn.Linear(8, 7)

    def forward(self, x: Tensor) -> Tensor:
        y = F.silu(self.conv(x))
        y = y * torch.sigmoid(self.gate(y))
        return self.end(torch.cat([y[:, :4].amax((2, 3)), y[:, 4:].sum((2, 3))], 1))


class Padded(nn.Module):
    """Borders of zeros and of reflections, a pool that hangs over, a cut."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.end = nn.Conv2d(1, 8, 3), nn.Linear(160, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.conv(F.pad(x, (1, 2, 0, 1))))
        y = F.max_pool2d(F.pad(y, (1, 1, 1, 1), mode="reflect"), 3, 3, ceil_mode=True)
        return self.end(F.avg_pool2d(y[:, :, :10, :8], 2).flatten(1))


class Shuffled(nn.Module):
    """Grouped convolution of shuffled channels, PReLU, and halves added and subtracted."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.grouped = nn.Conv2d(1, 12, 3, padding=1), nn.Conv2d(12, 12, 3, groups=3, padding=1)
        self.bend, self.end = nn.PReLU(12), nn.Linear(12, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.conv(x), 0.1)
        n, c, h, w = y.shape
        y = y.view(n, 3, 4, h, w).transpose(1, 2).reshape(n, c, h, w)
        a, b = self.bend(self.grouped(y)).chunk(2, 1)
        return self.end(torch.cat([a + b, a - b], 1).mean((2, 3)))


class Timed(nn.Module):
    """Linear layers at every step of a sequence, a depthwise convolution, doubling."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.a, self.b = nn.BatchNorm1d(20), nn.Linear(20, 32), nn.Linear(32, 8)
        self.conv, self.end = nn.Conv1d(8, 8, 5, padding=2, groups=8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.b(torch.clamp(self.a(self.norm(x).permute(0, 2, 1)), -1, 2))
        y = F.interpolate(self.conv(y.permute(0, 2, 1)), scale_factor=2.0)
        return self.end(y.max(-1).values)


class Scaled(nn.Module):
    """Constants per row and per column around a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.end = nn.Conv1d(20, 20, 3, padding=1), nn.Linear(600, 3)
        self.rows, self.columns = nn.Parameter(torch.randn(1, 20, 1)), nn.Parameter(torch.randn(1, 1, 30))

    def forward(self, x: Tensor) -> Tensor:
        y = (x - self.rows) / 2.5
        return self.end((1 - F.hardtanh(self.conv(y) * self.columns) - 0.5 * x).flatten(1))


def dense() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(600, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(64, 32, bias=False), nn.Tanh(), nn.Linear(32, 5),
    )  # fmt: skip


ROWS: Shape = (1, 20, 30)
MODULES: dict[str, tuple[Callable[[], nn.Module], Shape]] = {
    "gru": (lambda: Sequence(nn.GRU), ROWS),
    "gru, both ways": (lambda: Sequence(nn.GRU, both=True), ROWS),
    "two lstms": (lambda: Sequence(nn.LSTM, 2), ROWS),
    "two lstms, both ways": (lambda: Sequence(nn.LSTM, 2, both=True, mean=True), ROWS),
    "rnn": (lambda: Sequence(nn.RNN, mean=True), ROWS),
    "excited": (Excited, (1, 1, 33, 40)),
    "attended": (Attended, (1, 3, 9, 11)),
    "padded": (Padded, (1, 1, 28, 23)),
    "shuffled": (Shuffled, (1, 1, 9, 10)),
    "timed": (Timed, ROWS),
    "scaled": (Scaled, ROWS),
    "dense": (dense, ROWS),
}


def exported(name: str, *, opset: int, dynamo: bool = False) -> bytes:
    make, shape = MODULES[name]
    torch.manual_seed(5)
    module = make().eval()
    for norm in (part for part in module.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)):
        norm.running_mean.normal_(0.0, 0.3)
        norm.running_var.uniform_(0.5, 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            made = torch.onnx.export(module, (torch.zeros(shape),), dynamo=True, opset_version=opset, verbose=False)
            return bytes(made.model_proto.SerializeToString())
        content = io.BytesIO()
        torch.onnx.export(
            module, (torch.zeros(shape),), content, dynamo=False, opset_version=opset, dynamic_axes={"x": {0: "batch"}},
            input_names=["x"],
        )  # fmt: skip
    return content.getvalue()


@pytest.mark.parametrize("opset", [13, 17])
@pytest.mark.parametrize("name", MODULES)
def test_a_plain_module_is_read(name: str, opset: int) -> None:
    assert difference(exported(name, opset=opset)) < 2e-5


def test_a_module_of_torchs_newer_exporter_is_read() -> None:
    assert difference(exported("excited", opset=20, dynamo=True)) < 2e-5


def test_nothing_is_left_over_where_everything_fits() -> None:
    kinds = {
        name: Counter(type(op).__name__ for op in read_onnx(exported(name, opset=17)).graph.ops) for name in MODULES
    }
    assert kinds["gru"] == {"Conv": 2, "Recurrent": 1}
    assert kinds["two lstms"] == {"Conv": 2, "Recurrent": 2}
    assert kinds["excited"] == {"Conv": 4, "Pool": 2, "Binary": 1, "Softmax": 1}
    assert kinds["dense"] == {"Conv": 3}
