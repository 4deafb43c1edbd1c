"""A tiny registry for tests: numbers, text files, and nodes that fail, wait, crash or fill the disk."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from engine import Artifact, Context, Meta, OssicleError, Params, Receipt, Report, ReportMeta, node
from engine.artifact import ReceiptMeta


class NumberMeta(Meta):
    value: float


@dataclass(frozen=True)
class Number(Artifact):
    meta: NumberMeta
    meta_type = NumberMeta
    port_name = "number"
    files = ("number.json",)


@dataclass(frozen=True)
class Text(Artifact):
    meta: Meta
    port_name = "text"


def _number(ctx: Context, value: float, name: str = "number") -> Number:
    folder = ctx.folder(name)
    (folder / "number.json").write_text(json.dumps({"value": value}))
    return Number(folder, NumberMeta(value=value))


def _leave_mark(ctx: Context) -> None:
    """One line per execution, beside the workflow, so that tests can count."""
    with (ctx.base / "executed.txt").open("a") as file:
        file.write(f"{ctx.node}\n")


class ConstantParams(Params):
    value: float = 1.0
    note: str = ""


@node("fake.constant", version=1, category="Fakes")
def constant(params: ConstantParams, ctx: Context) -> Number:
    """A number."""
    _leave_mark(ctx)
    return _number(ctx, params.value)


class AddParams(Params):
    offset: float = 0.0


@node("fake.add", version=1, category="Fakes")
def add(numbers: list[Number], params: AddParams, ctx: Context) -> Number:
    """The sum of numbers."""
    _leave_mark(ctx)
    ctx.metric(step=1, count=len(numbers))
    return _number(ctx, sum(number.meta.value for number in numbers) + params.offset)


@node("fake.negate", version=1, category="Fakes")
def negate(number: Number, ctx: Context) -> Number:
    """The negative number, read from the file."""
    _leave_mark(ctx)
    return _number(ctx, -number.json("number.json")["value"])


class ResumeParams(Params):
    steps: int = 100


@node("fake.resume", version=1, category="Fakes")
def resume(params: ResumeParams, ctx: Context) -> Number:
    """Count slowly, with a checkpoint after every step; tells where it began."""
    _leave_mark(ctx)
    checkpoint = ctx.scratch / "step"
    first = int(checkpoint.read_text()) if checkpoint.exists() else 0
    ctx.log(f"from step {first}")
    for step in range(first, params.steps):
        checkpoint.write_text(str(step + 1))
        ctx.progress(step / params.steps)
        time.sleep(0.002)
    return _number(ctx, params.steps)


@node("fake.spoil", version=1, category="Fakes")
def spoil(number: Number, ctx: Context) -> Number:
    """Change the input, which is forbidden (and possible for root)."""
    path = number.file("number.json")
    path.chmod(0o644)
    path.write_text(json.dumps({"value": -1}))
    return _number(ctx, 0)


@node("fake.dice", version=1, category="Fakes")
def dice(ctx: Context) -> Number:
    """Another number each time, which is not nice."""
    return _number(ctx, time.time_ns() % 1_000_003)


class Parts(NamedTuple):
    whole: Number
    fraction: Number


@node("fake.split", version=1, category="Fakes")
def split(number: Number, ctx: Context) -> Parts:
    """Integer and fraction: two outputs."""
    _leave_mark(ctx)
    whole = float(int(number.meta.value))
    return Parts(_number(ctx, whole, "whole"), _number(ctx, number.meta.value - whole, "fraction"))


@node("fake.same", version=1, category="Fakes")
def same(number: Number) -> Number:
    """The input, handed on."""
    return number


class SleepParams(Params):
    seconds: float = 60.0
    hears: bool = True


@node("fake.sleep", version=1, category="Fakes")
def sleep(number: Number, params: SleepParams, ctx: Context) -> Number:
    """Wait with progress (or deaf)."""
    _leave_mark(ctx)
    end_s = time.monotonic() + params.seconds
    (ctx.base / f"{ctx.node}.sleeping").touch()
    while time.monotonic() < end_s:
        if params.hears:
            ctx.progress(1 - (end_s - time.monotonic()) / params.seconds, "asleep")
        time.sleep(0.005)
    return _number(ctx, number.meta.value)


@node("fake.sleep_apart", version=1, category="Fakes", isolation="process")
def sleep_apart(number: Number, params: SleepParams, ctx: Context) -> Number:
    """Wait in a process of its own."""
    print("a library prints")  # noqa: T201 - the stream of events must survive it
    (ctx.base / "pid").write_text(str(os.getpid()))
    return sleep.function(number, params, ctx)


class FailParams(Params):
    how: str = "told"


@node("fake.fail", version=1, category="Fakes")
def fail(number: Number | None, params: FailParams, ctx: Context) -> Number:
    """Fail in one of several ways."""
    _leave_mark(ctx)
    if params.how == "told":
        raise OssicleError("the value is 3", "at most 2", "Lower it")
    if params.how == "wrong type":
        return Text(ctx.folder("text"), Meta())  # type: ignore[return-value]
    if params.how == "no file":
        return Number(ctx.folder("number"), NumberMeta(value=0))
    if params.how == "elsewhere":
        (ctx.base / "elsewhere").mkdir(exist_ok=True)
        (ctx.base / "elsewhere" / "number.json").write_text("1")
        return Number(ctx.base / "elsewhere", NumberMeta(value=0))
    if params.how == "link":
        found = _number(ctx, 1)
        (found.path / "link").symlink_to("/etc/hostname")
        return found
    raise ZeroDivisionError("division of 1 by 0")


@node("fake.crash", version=1, category="Fakes", isolation="process")
def crash(number: Number, ctx: Context) -> Number:
    """End the own process the hard way."""
    os.kill(os.getpid(), signal.SIGKILL)
    return number


class ReadParams(Params):
    path: str = "text.txt"


def _file_digest(params: ReadParams, base: Path) -> dict[str, str]:
    path = base / params.path
    if not path.is_file():
        raise OssicleError(f"{path.name} does not exist", "a text file", "Correct the path")
    return {params.path: hashlib.sha256(path.read_bytes()).hexdigest()}


@node("fake.read", version=1, category="Fakes", fingerprint=_file_digest)
def read(params: ReadParams, ctx: Context) -> Text:
    """A text file."""
    _leave_mark(ctx)
    folder = ctx.folder("text")
    (folder / "text.txt").write_bytes(ctx.resolve(params.path).read_bytes())
    return Text(folder, Meta())


@node("fake.upper", version=1, category="Fakes")
def upper(text: Text, ctx: Context) -> Text:
    """Capital letters; the source is handed on by a hard link."""
    _leave_mark(ctx)
    folder = ctx.folder("text")
    ctx.link(text.file("text.txt"), folder / "source.txt")
    (folder / "text.txt").write_text(text.file("text.txt").read_text().upper())
    return Text(folder, Meta())


@node("fake.count", version=1, category="Fakes")
def count(text: Text, ctx: Context) -> Number:
    """How many letters a text has."""
    _leave_mark(ctx)
    return _number(ctx, float(len(text.file("text.txt").read_text())))


class FillParams(Params):
    size_bytes: int = 1 << 24
    pause_s: float = 0.0
    seed: int = 0


@node("fake.fill", version=1, category="Fakes")
def fill(number: Number | None, params: FillParams, ctx: Context) -> Text:
    """Many bytes in several files, slowly."""
    _leave_mark(ctx)
    folder = ctx.folder("text")
    for part in range(8):
        block = hashlib.sha256(f"{params.seed} {part}".encode()).digest()
        (folder / f"part{part}.bin").write_bytes(block * (params.size_bytes // 8 // len(block)))
        ctx.progress((part + 1) / 8)
        time.sleep(params.pause_s / 8)
    return Text(folder, Meta())


@node("fake.send", version=1, category="Fakes")
def send(number: Number, ctx: Context) -> Receipt:
    """Act on the outside."""
    _leave_mark(ctx)
    folder = ctx.folder("receipt")
    (folder / "receipt.json").write_text("{}")
    return Receipt(folder, ReceiptMeta(destination="nowhere", acknowledged=1))


class ScoreParams(Params):
    seed: Annotated[int, Field(ge=0, le=100)] = 0
    fold: Annotated[int, Field(ge=1, le=10)] = 1
    fail_at: int = -1


CLASSES = ("yes", "no")


@node("fake.score", version=1, category="Fakes")
def score(params: ScoreParams, ctx: Context) -> Report:
    """A report whose figures follow from the parameters."""
    if params.seed == params.fail_at:
        raise OssicleError(f"seed {params.seed} is unlucky", "another seed", "Take another seed")
    folder = ctx.folder("report")
    right = params.seed + params.fold
    classes = CLASSES if params.fold != 2 else CLASSES[::-1]
    raw = {"classes": classes, "confusion": [[right, 1], [0, right]]}
    (folder / "report.json").write_text(json.dumps(raw))
    accuracy = 0.5 + 0.01 * params.seed + 0.1 * params.fold
    metrics = {"accuracy": accuracy, "accuracy_low": 0.1, "accuracy_high": 0.9, "clips": 12.0}
    if params.fold == 1:
        metrics["first_fold_only"] = float(params.seed)
    return Report(folder, ReportMeta(title="Benchmark", metrics=metrics))


class PairParams(Params):
    low: int = 0
    high: int = 1

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        return self


@node("fake.pair", version=1, category="Fakes")
def pair(params: PairParams, ctx: Context) -> Report:
    """Two numbers in order."""
    folder = ctx.folder("report")
    (folder / "report.json").write_text("{}")
    return Report(folder, ReportMeta(title="pair", metrics={"gap": float(params.high - params.low)}))


class PartParams(Params):
    part: str = "x"
    own: int = 0
    fail: bool = False


@node("fake.part", version=1, category="Fakes")
def part(params: PartParams, ctx: Context) -> Text:
    """A text of its own beside a part that others share."""

    def make(folder: Path) -> None:
        with (ctx.base / "executed.txt").open("a") as file:
            file.write(f"part-{params.part}\n")
        (folder / "part.txt").write_text(params.part * 100)
        ctx.progress(0.5)
        time.sleep(0.05)
        if params.fail:
            raise OssicleError("the part is bad", "a good one", "Mend it")

    shared = ctx.memo({"what": "fake.part", "part": params.part}, make)
    folder = ctx.folder("text")
    ctx.link(shared / "part.txt", folder / "part.txt")
    (folder / "text.txt").write_text(str(params.own))
    return Text(folder, Meta())
