"""Execute one node: lock its key, look again for the result, call the function, seal, record, tell.

Every runner, remote worker and child process goes through `execute`, so a node behaves the same wherever it runs.
"""

from __future__ import annotations

import functools
import inspect
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from engine.artifact import Artifact
from engine.context import Cancelled, Context
from engine.errors import OssicleError
from engine.event import Event, Json, Kind, Sink
from engine.fault import fault_of
from engine.isolate import execute_apart
from engine.job import Job, Outcome, State
from engine.memo import memo
from engine.node import NodeSpec
from engine.registry import Registry, load_registry
from engine.store import Result, Store, open_store

KINDS: Mapping[State, Kind] = {"done": "finished", "cached": "cached", "failed": "failed", "cancelled": "cancelled"}


@functools.cache
def installed() -> Registry:
    """The node types of this installation, loaded once per process."""
    return load_registry()


def execute(
    job: Job, sink: Sink, is_cancelled: Callable[[], bool], registry: Registry | None = None, apart: bool = True
) -> Outcome:
    """Execute one node and tell what happens: started, progress, metric, log, then finished, failed or cancelled.

    If another process computes the same at this moment, waits for it and takes its result (told as cached). Errors
    are part of the outcome, never raised.

    Args:
        is_cancelled: asked at each progress call and while waiting.
        registry: where to find the node type; the installation's unless given.
        apart: whether a node that asks for a process of its own gets one (False inside that process).
    """
    place = Path(job.store)
    try:
        spec = _spec_of(job, registry or installed())
        if apart and spec.isolation == "process":
            return execute_apart(job, sink, is_cancelled)
        outcome = _Execution(job, spec, open_store(place), sink, is_cancelled).run()
    except Cancelled:
        outcome = Outcome(job.node, "cancelled")
    except Exception as error:  # the run border: whatever a node raises ends that node only
        outcome = Outcome(job.node, "failed", error=fault_of(error, place))
    try:
        tell(outcome, job, sink)
    except Exception as error:  # nobody listens any more; the run must still hear that the node ended
        return Outcome(job.node, "failed", error=fault_of(error, place))
    return outcome


def tell(outcome: Outcome, job: Job, sink: Sink) -> None:
    """The closing event of a node."""
    if (kind := KINDS.get(outcome.state)) is not None:
        sink(Event(kind, job.run, job.node, closing_values(outcome, job.cache_key)))


def closing_values(outcome: Outcome, cache_key: str) -> dict[str, Json]:
    """What a closing event says: outputs and seconds, or the three parts of the error."""
    if outcome.error is not None:
        return {**outcome.error.to_json(), "seconds": outcome.seconds}
    if outcome.state == "cancelled":
        return {}
    return {"cache_key": cache_key, "outputs": dict(outcome.outputs), "seconds": outcome.seconds}


def _spec_of(job: Job, registry: Registry) -> NodeSpec:
    spec = registry.find(job.recipe.type)
    if spec is None:
        broken = "; ".join(f"{error.name}: {error.error}" for error in registry.errors)
        raise OssicleError(
            f"the node type {job.recipe.type} is not installed here" + (f" ({broken})" if broken else ""),
            "the same plugins wherever nodes run",
            "Install its plugin on this machine",
        )
    return spec


@dataclass(frozen=True)
class _Execution:
    job: Job
    spec: NodeSpec
    store: Store
    sink: Sink
    is_cancelled: Callable[[], bool]

    def run(self) -> Outcome:
        self.check()
        with self.store.lock(self.job.cache_key, self.check, self.on_wait):
            hit = None if self.job.force else self.store.find(self.job.cache_key)
            if hit is not None:
                return Outcome(self.job.node, "cached", hit.outputs)
            if damaged := self.damaged_inputs():
                return Outcome(self.job.node, "damaged", damaged=damaged)
            return self.compute()

    def check(self) -> None:
        if self.is_cancelled():
            raise Cancelled(self.job.node)

    def on_wait(self) -> None:
        text = "another run computes the same: waiting for its result"
        self.tell("log", {"text": text, "level": "info"})

    def tell(self, kind: Kind, values: dict[str, Json]) -> None:
        self.sink(Event(kind, self.job.run, self.job.node, values))

    def damaged_inputs(self) -> dict[str, str]:
        """Damaged inputs and what is wrong with each; they are evicted, so their producers make them anew."""
        keys = {key for keys in self.job.recipe.inputs.values() for key in keys}
        found = [damage for key in sorted(keys) if (damage := self.store.damage(key)) is not None]
        for damage in found:
            self.store.evict(damage.content_key)
        return {damage.content_key: damage.what for damage in found}

    def compute(self) -> Outcome:
        self.tell("started", {"threads": self.job.threads})
        start = time.perf_counter()
        work = self.store.work(self.job.cache_key)
        try:
            outputs = self.call(work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        seconds = round(time.perf_counter() - start, 6)
        self.check_inputs()
        self.check_repeatable(outputs)
        self.store.record(Result(self.job.recipe, outputs, seconds))
        if (scratch := self.store.scratch(self.job.cache_key)).exists():
            shutil.rmtree(scratch)
        return Outcome(self.job.node, "done", outputs, seconds)

    def check_inputs(self) -> None:
        """Inputs are read-only, but an administrator's process may write them all the same: that must not pass."""
        for key in {key for keys in self.job.recipe.inputs.values() for key in keys}:
            if not self.store.is_unchanged(key) and self.store.damage(key) is not None:
                self.store.evict(key)
                raise OssicleError(
                    f"{self.spec.id} changed its input {key[:12]}",
                    "inputs left as they are",
                    "Correct the node: copy a file before changing it. The input is made anew in the next run",
                )

    def check_repeatable(self, outputs: Mapping[str, str]) -> None:
        known = self.store.result(self.job.cache_key)
        changed = [port for port, key in outputs.items() if known is not None and known.outputs.get(port) != key]
        if changed:
            text = f"{', '.join(changed)} differs from the last time although nothing it depends on has changed"
            self.tell("log", {"text": text, "level": "warning"})

    def call(self, work: Path) -> dict[str, str]:
        """Call the node's function; content keys of what it returned, by output port."""
        context = Context(
            work,
            self.store.scratch(self.job.cache_key),
            Path(self.job.base),
            self.job.node,
            self.job.run,
            self.job.cache_key,
            self.job.threads,
            self.sink,
            self.is_cancelled,
            memo_of=lambda key, make: memo(self.store, key, make, self.check, self.on_wait, is_forced=self.job.force),
        )
        returned = self.spec(**self.arguments(context))
        return {name: self.store.seal(artifact) for name, artifact in outputs_of(self.spec, returned).items()}

    def arguments(self, context: Context) -> dict[str, Any]:
        recipe = self.job.recipe
        found: dict[str, Any] = {}
        for name, role in _roles(self.spec.function).items():
            if role == "params":
                found[name] = self.spec.params.model_validate(dict(recipe.params))
            elif role == "context":
                found[name] = context
            else:
                found[name] = self.input(name, recipe.inputs.get(name, ()))
        return found

    def input(self, name: str, keys: tuple[str, ...]) -> Artifact | list[Artifact] | None:
        artifacts = [self.store.open(key) for key in keys]
        port = self.spec.input(name)
        if port is not None and port.many:
            return artifacts
        return artifacts[0] if artifacts else None


@functools.cache
def _roles(function: Callable[..., Any]) -> Mapping[str, str]:
    """What each argument of a node function takes: "params", "context" or "input"."""
    hints = get_type_hints(function)
    roles = {
        name: "context" if hints.get(name) is Context else "input" for name in inspect.signature(function).parameters
    }
    return {name: "params" if name == "params" else role for name, role in roles.items()}


def outputs_of(spec: NodeSpec, returned: Any) -> Mapping[str, Artifact]:
    """A function's return value as artifacts by port, checked against the declaration.

    Raises:
        OssicleError: too many or too few values, another type, or a file missing that every artifact of the type has.
    """
    if not spec.outputs:
        return {}
    try:
        found = spec.outputs_of(returned)
    except (TypeError, ValueError) as error:
        raise _bad_output(spec, f"{len(spec.outputs)} outputs", repr(returned)) from error
    for port in spec.outputs:
        artifact = found[port.name]
        if not isinstance(artifact, port.type) or not isinstance(artifact.meta, port.type.meta_type):
            raise _bad_output(spec, f"{port.name} to be of type {port.type.kind()}", repr(artifact))
        missing = [name for name in port.type.files if not (artifact.path / name).is_file()]
        if missing:
            raise _bad_output(spec, f"the files {', '.join(port.type.files)} in {port.name}", f"no {missing[0]}")
    return found


def _bad_output(spec: NodeSpec, expected: str, got: str) -> OssicleError:
    return OssicleError(f"{spec.id} returned {got[:200]}", expected, "Correct the node's function")
