"""`ossicle optimise`: an ONNX file, or a trained model's folder, becomes a folder of C. Needs no store and no graph."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine.commands.run import interrupts
from engine.console import clean_output, progress, say, say_json, size, table
from engine.context import Cancelled
from engine.errors import OssicleError
from engine.event import Event, Kind, Sink
from nodes.optimise import TargetName

if TYPE_CHECKING:
    from nodes.optimising.session import Optimised
    from nodes.optimising.wish import Floats, Network, Watch, Wish

REPORT_FILE = "report.json"
NAME = "optimise"
STOPPED = 130


def command(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="An ONNX file, or the folder of a model or deployment.", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to write; new, empty or an older one.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object.")] = False,
    target: Annotated[TargetName, typer.Option(help="Processor the code is for.")] = "native",
    level: Annotated[
        list[str] | None, typer.Option(metavar="TARGET", help="A further processor in the same library; repeatable.")
    ] = None,
    search: Annotated[
        Literal["q-learning", "exact", "estimate"], typer.Option(help="How primitives are chosen.")
    ] = "q-learning",
    precision: Annotated[
        Literal["float32", "mixed"], typer.Option(help="mixed: layers in 8 bits too; needs --inputs.")
    ] = "float32",
    accuracy_drop: Annotated[float, typer.Option(min=0, max=1, help="Share of the inputs 8 bits may change.")] = 0.005,
    inputs: Annotated[
        Path | None, typer.Option(metavar="FILE.npy", help="Inputs to time and verify on, stacked; else noise.")
    ] = None,
    budget_s: Annotated[
        float, typer.Option("--budget", min=0.1, help="Longest time for measuring, in seconds.")
    ] = 70.0,
    ram_limit: Annotated[int, typer.Option(min=0, help="Bytes of workspace allowed; 0 for any.")] = 0,
    flash_limit: Annotated[int, typer.Option(min=0, help="Bytes of packed weights allowed; 0 for any.")] = 0,
    engines: Annotated[bool, typer.Option(help="Time other installed engines on the same network.")] = True,
    peers: Annotated[
        list[str] | None, typer.Option(metavar="PYTHON", help="Interpreter with further engines; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search and of the noise.")] = 0,
) -> None:
    """Turn a network into C that is the fastest this machine knows.

    Every layer is computed by the primitive that was measured to be fastest inside the network. The folder holds C
    sources, a header, a library, build files, an example and deployment.json; report.json tells every candidate. The
    library is compared with onnxruntime before it is handed on. Stopped, the same command goes on where it was.

    Examples: ossicle optimise model.onnx -o engine; ossicle optimise model.onnx -o engine --level avx2 --level c --json
    """
    from nodes.application import ApplicationError
    from nodes.lne import LneError
    from nodes.optimising.wish import Wish

    wish = Wish(
        target, tuple(level or ()), search, precision, accuracy_drop, budget_s=budget_s, ram_bytes=ram_limit,
        flash_bytes=flash_limit, engines=engines, pythons=tuple(peers or ()), seed=seed,
    )  # fmt: skip
    if precision == "mixed" and inputs is None:
        raise OssicleError("mixed precision is judged on inputs", "--inputs FILE.npy", "Give features of real clips")
    try:
        with ExitStack() as stack:
            stdout = stack.enter_context(clean_output())
            cancel = stack.enter_context(interrupts())
            sink = stack.enter_context(progress(sys.stderr if as_json else stdout))
            with _told(sink) as watch:
                report, optimised = _optimise(network_at(model, inputs, seed), wish, out, _stoppable(watch, cancel))
    except (ApplicationError, LneError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    except Cancelled:
        raise typer.Exit(STOPPED) from None
    if as_json:
        say_json({"folder": str(out), **report})
    else:
        _summary(report, optimised)


def network_at(path: Path, inputs: Path | None = None, seed: int = 0) -> Network:
    """What a path names: an ONNX file alone, or a model or deployment with its labels and front end.

    Args:
        inputs: a numpy file of stacked inputs; else seeded noise is used.

    Raises:
        ApplicationError, LneError: it is neither, or it is damaged.
        OssicleError: the inputs cannot be read or do not fit.
    """
    from nodes.application.bundle import load_bundle
    from nodes.application.network import read_network
    from nodes.optimising.session import noise
    from nodes.optimising.session import read_network as read_graph
    from nodes.optimising.wish import NOISE_CLIPS, Network

    bundle = load_bundle(path) if path.is_dir() else None
    name, data = (bundle.name, bundle.network) if bundle is not None else (path.stem, read_network(path))
    graph = read_graph(data, name).graph
    shape = graph.source_shape[1:]
    values = noise(graph, NOISE_CLIPS, seed) if inputs is None else read_inputs(inputs, shape)
    made = Network(name, data, values, is_real=inputs is not None)
    return made if bundle is None else replace(made, front_end=bundle.front_end, labels=bundle.labels)


def read_inputs(path: Path, shape: tuple[int, ...]) -> Floats:
    """Stacked inputs (clips, *shape) of a numpy file; nothing is unpickled.

    Raises:
        OssicleError: no such file, no array of finite numbers, or of another shape.
    """
    import numpy as np

    wanted = f"finite numbers of the shape (clips, {', '.join(map(str, shape))})"
    try:
        found = np.load(path, allow_pickle=False)
        values = np.asarray(found, np.float32)
    except (OSError, ValueError, TypeError) as error:
        raise OssicleError(f"{path} cannot be read ({error})", f"a .npy file with {wanted}", "Save one") from error
    if values.shape[1:] != shape or not len(values) or not np.isfinite(values).all():
        raise OssicleError(f"{path} holds {values.shape}, or values that are not finite", wanted, "Correct the file")
    return values


def _optimise(network: Network, wish: Wish, out: Path, watch: Watch) -> tuple[dict[str, Any], Optimised]:
    from nodes.optimising.report import deployment_facts, report_of, write_json
    from nodes.optimising.session import build, described_again, start
    from nodes.optimising.surroundings import surroundings

    reading, choice = start(network, wish, watch)
    beside = surroundings(network, choice, wish, watch)
    facts = {"name": network.name, **deployment_facts(choice, beside)}
    optimised = build(out, network, reading, choice, wish, facts, watch)
    report = report_of(optimised, wish, beside)
    write_json(out / REPORT_FILE, report)
    verified = {"verification": optimised.verification.to_json()} if optimised.verification is not None else {}
    return report, described_again(optimised, verified)


# ---- telling


@contextmanager
def _told(sink: Sink) -> Iterator[Watch]:
    """A watch whose words go to a sink as events of one node."""
    from nodes.optimising.wish import Watch

    start_s = time.monotonic()

    def tell(kind: Kind, **values: Any) -> None:
        sink(Event(kind, NAME, NAME, values))

    tell("started")
    yield Watch(
        lambda fraction, text: tell("progress", fraction=fraction, text=text),
        lambda step, latency_us, best_us: None,
        lambda text: tell("log", text=text, level="info"),
    )
    tell("finished", seconds=time.monotonic() - start_s)


def _stoppable(watch: Watch, cancel: threading.Event) -> Watch:
    def told(fraction: float, text: str) -> None:
        if cancel.is_set():
            raise Cancelled(NAME)
        watch.progress(fraction, text)

    return replace(watch, progress=told)


HEAD = ("layer", "operation", "µs", "share", "GFLOP/s", "primitive", "why")


def _summary(report: dict[str, Any], optimised: Optimised) -> None:
    say(table(HEAD, map(_row, report["layers"]), right=(2, 3, 4)))
    say()
    for line in _facts(report, optimised):
        say(line)


def _row(row: dict[str, Any]) -> Sequence[str]:
    is_timed = row["us"] > 0
    figures = (f"{row['us']:,.2f}", f"{row['share']:.0%}", f"{row['gflops']:,.0f}") if is_timed else ("", "", "")
    speed = figures[2] if row["flops"] else ""
    return (row["layer"], row["operator"], *figures[:2], speed, row["primitive"], row["why"])


def _facts(report: dict[str, Any], optimised: Optimised) -> Iterator[str]:
    inference, memory, search = report["inference"], report["memory"], report.get("search")
    if inference:
        yield (
            f"whole inference {inference['median_us']:,.1f} µs (least {inference['min_us']:,.1f}); "
            f"its layers {inference['layers_us']:,.1f}"
        )
    for engine in report.get("backends", ()):
        ours_us = report.get("raced_us")
        ratio = f"{engine['us']:,.1f} µs, {engine['us'] / ours_us:.2f} times ours" if engine["us"] and ours_us else ""
        yield f"{engine['name']} {engine['version']}".rstrip() + f": {ratio or engine['error']}"
    yield (
        f"workspace {size(memory['workspace_bytes'])} ({size(memory['separate_bytes'])} unshared), "
        f"weights {size(memory['weight_bytes'])}"
    )
    if search:
        told = ", ".join(f"{one['name']} {one['regret']:+.1%}" for one in search["strategies"])
        yield f"against the exact optimum on the same times: {told}; {search['networks']} networks measured"
    found = optimised.verification
    if found is not None:
        share = found.error / (found.output_range or 1.0)
        yield f"verified on {found.count} inputs: error {found.error:.2g}, {share:.2g} of the outputs' range"
    yield f"written to {optimised.folder}"
