"""Node `ossicle.optimise`: a network as C of its own, every layer by the primitive that is fastest on this machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from engine import (
    AudioSet,
    Context,
    Deployment,
    DeploymentMeta,
    FeatureSet,
    Model,
    OssicleError,
    Params,
    Report,
    ReportMeta,
    Seconds,
    node,
)
from engine.audio import read_features, table_of
from engine.bench import machine
from nodes.compressing.host import refuse_fixed
from nodes.deploy import Clips, Inputs, comparison_clips, model_facts

if TYPE_CHECKING:
    from pathlib import Path

    from nodes.application import Bundle
    from nodes.optimising.report import Beside
    from nodes.optimising.session import Optimised
    from nodes.optimising.wish import Judged, Network, Watch, Wish

TargetName = Literal["native", "c", "x86-64", "avx2", "avx512", "vnni", "aarch64", "aarch64-dot"]
REPORT_FILE = "report.json"


class OptimiseParams(Params):
    """What the code is for, how its primitives are chosen, and how the application listens."""

    target: TargetName = "native"
    """Processor the code is for; native is the best that this machine can run. For one it cannot run, primitives are
    chosen by estimate."""
    levels: tuple[Literal["c", "x86-64", "avx2", "avx512", "vnni"], ...] = ()
    """Further processors served by the same library, which takes the best when it is opened."""
    search: Literal["q-learning", "exact", "estimate"] = "q-learning"
    """How primitives are chosen: by Q-learning (with random, greedy and exact search beside it) or exactly, on times
    measured here; or by estimate, without measuring."""
    precision: Literal["float32", "mixed"] = "float32"
    """float32, or mixed: layers in 8 bits too, as many as the validation clips allow. Ranges come from these clips."""
    accuracy_drop: Annotated[float, Field(ge=0, le=1)] = 0.005
    """Share of the validation clips that 8 bits may cost."""
    judge_clips: Annotated[int, Field(ge=8, le=100_000)] = 512
    """Clips by which precisions are judged; of the validation subset, else of the training subset."""
    episodes: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Episodes of Q-learning."""
    exploring: Annotated[int, Field(ge=0, le=100_000)] = 500
    """Episodes of random choices only, at the start; after them the choices become greedy step by step."""
    budget_s: Annotated[Seconds, Field(gt=0, le=36_000)] = 70.0
    """Longest time for measuring candidates. Times are kept per machine: the next network needs less."""
    ram_limit_bytes: Annotated[int, Field(ge=0)] = 0
    """Workspace allowed; 0 for any."""
    flash_limit_bytes: Annotated[int, Field(ge=0)] = 0
    """Bytes of packed weights allowed; 0 for any."""
    engines: bool = True
    """Whether other installed engines are timed on the same network."""
    verify_clips: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Clips on which the finished library is compared with the network as written."""
    hop_s: Annotated[Seconds, Field(gt=0, le=60)] = 0.25
    """Step between the windows in which longer recordings are heard."""
    smoothing: Annotated[int, Field(ge=1, le=1000)] = 3
    """Windows over which the scores of longer recordings are averaged."""
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    """Seed of the search."""

    def wish(self) -> Wish:
        """The same for the library."""
        from nodes.optimising.wish import Wish

        return Wish(
            self.target, self.levels, self.search, self.precision, self.accuracy_drop, self.episodes, self.exploring,
            self.budget_s, self.ram_limit_bytes, self.flash_limit_bytes, self.engines, seed=self.seed,
        )  # fmt: skip


class Found(NamedTuple):
    """What the node gives."""

    deployment: Deployment
    report: Report


def _machine(_params: OptimiseParams, _base: Path) -> Any:
    """Times of one machine say nothing about another."""
    return {"processor": machine()["processor"]}


@node(
    "ossicle.optimise",
    version=1,
    category="Deployment",
    needs=("compiler",),
    isolation="process",
    fingerprint=_machine,
)
def optimise(
    model: Model, features: FeatureSet | None, audio: AudioSet | None, params: OptimiseParams, ctx: Context
) -> Found:
    """Generate C for a network, choosing for every layer the primitive that is fastest here.

    The folder holds C sources with a header, a Makefile and a CMakeLists.txt, the compiled library, an example, and
    what `ossicle.deploy` writes, so that `ossicle predict FOLDER AUDIO` works on it, and any C compiler builds it
    elsewhere. Candidates (direct, Winograd, GEMM, 8 bits, ... in several formats) are timed inside the network;
    Q-learning then finds the choice, as in QS-DNN (S4 6.2.4), beside random and greedy choice and the exact optimum.
    With `precision` mixed, layers go to 8 bits as far as the validation clips of `features` allow. Other engines that
    are installed take turns with the result; where one is faster, the application uses that one where it is installed.

    The library is compared with the network as written on the clips of `features` (from the waveform on with `audio`),
    else on noise; one that is off is never handed on. Times are kept per machine in the user's cache folder: stopped or
    killed, a search goes on where it was. The report tells every layer with its candidates, its speed beside the
    machine's peak and the reason for the choice, the memory plan, the search, other engines, and the trade-off.
    """
    from nodes.application import ApplicationError
    from nodes.lne import LneError

    refuse_fixed(model)
    try:
        return _optimise(Inputs(model, features, audio, None), params, ctx)
    except (ApplicationError, LneError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error


@dataclass(frozen=True)
class _Made:
    optimised: Optimised
    beside: Beside
    wish: Wish


def _optimise(inputs: Inputs, params: OptimiseParams, ctx: Context) -> Found:
    from nodes.application.bundle import bundle_of
    from nodes.optimising.wish import Network

    inputs.model.file("model.onnx")  # says so if the artifact is damaged
    bundle = bundle_of(inputs.model.path, inputs.model.meta.model_dump(mode="json"), f"model {inputs.model.path.name}")
    clips = comparison_clips(bundle, inputs, params.verify_clips)
    judged = _judged(bundle, inputs.features, params) if params.precision == "mixed" else None
    known = bundle.front_end, bundle.labels
    network = Network(bundle.name, bundle.network, clips.features, clips.is_real, judged, *known)
    facts = {
        **model_facts(inputs),
        "name": bundle.name,
        "listening": {"hop_s": params.hop_s, "smoothing": params.smoothing},
    }
    made = _make(network, clips, facts, params.wish(), ctx)
    return Found(_deployment(made, bundle), _report(made, ctx))


def _judged(bundle: Bundle, features: FeatureSet | None, params: OptimiseParams) -> Judged:
    """Clips on which precisions are judged: none that the result is verified on."""
    import numpy as np

    from nodes.optimising.wish import Judged

    if features is None:
        raise OssicleError(
            "mixed precision is judged on clips", "features", "Wire the features the model was trained on"
        )
    table, known = table_of(features), {label: number for number, label in enumerate(bundle.labels)}
    for subset in ("validation", "training", ""):
        rows = np.flatnonzero((table.subset == subset) & np.isin(table.label, bundle.labels))
        if len(rows):
            break
    else:
        raise OssicleError(
            "no clip of the features has one of the model's classes", "validation clips", "Check the partition node"
        )
    mask = np.zeros(len(table), bool)
    mask[rows[np.unique(np.linspace(0, len(rows) - 1, min(params.judge_clips, len(rows))).round().astype(int))]] = True
    return Judged(read_features(features, mask), np.array([known[label] for label in table.label[mask].tolist()]))


def _make(network: Network, clips: Clips, facts: dict[str, Any], wish: Wish, ctx: Context) -> _Made:
    from nodes.lne.target import can_run
    from nodes.optimising.hearing import heard, preprocessing
    from nodes.optimising.report import deployment_facts
    from nodes.optimising.session import build, described_again, start
    from nodes.optimising.surroundings import surroundings

    watch = _watch(ctx)
    reading, choice = start(network, wish, watch)
    beside = surroundings(network, choice, wish, watch)
    told = {**facts, **deployment_facts(choice, beside)}
    optimised = build(ctx.folder("deployment"), network, reading, choice, wish, told, watch)
    if can_run(choice.plan.target):
        watch.progress(0.95, f"hearing {len(clips.features)} clips")
        found = heard(optimised.folder, clips.features, clips.waveforms, is_real=clips.is_real)
        more = {} if clips.waveforms is None else {"preprocessing": preprocessing(optimised.folder, clips.waveforms[0])}
        optimised = described_again(optimised, {"verification": found.to_json(), **more})
    return _Made(optimised, beside, wish)


def _watch(ctx: Context) -> Watch:
    from nodes.optimising.wish import Watch

    return Watch(
        ctx.progress,
        lambda step, latency_us, best_us: ctx.metric(step=step, latency_us=latency_us, best_us=best_us),
        ctx.log,
    )


def _deployment(made: _Made, bundle: Bundle) -> Deployment:
    from nodes.optimising.report import about, headline, latency_us

    optimised, plan = made.optimised, made.optimised.plan
    meta = DeploymentMeta(
        about=about(optimised, made.beside),
        target=plan.target.name,
        classes=bundle.labels,
        front_end=asdict(bundle.front_end),
        latency_us=latency_us(optimised, made.beside),
        memory_bytes=plan.workspace_bytes,
        verified_error=float(optimised.facts.get("verification", {}).get("error", 0.0)),
        metrics=headline(optimised, made.beside),
    )
    return Deployment(optimised.folder, meta)


def _report(made: _Made, ctx: Context) -> Report:
    from nodes.optimising.report import about, headline, report_of, write_json

    folder = ctx.folder("report")
    write_json(folder / REPORT_FILE, report_of(made.optimised, made.wish, made.beside))
    metrics = headline(made.optimised, made.beside)
    meta = ReportMeta(
        about=about(made.optimised, made.beside),
        title=f"Optimisation of {made.optimised.network.name}",
        metrics={name: value for name, value in metrics.items() if name != "agreement"},  # the deployment has it
    )
    return Report(folder, meta)
