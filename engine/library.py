"""Sub-graph files as node types: found beside the workflow and in the user's folder. A bad file is a row, no crash."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

from pydantic import Field, create_model
from pydantic_core import to_jsonable_python

from engine import subgraph as sg
from engine import workflow as wf
from engine.errors import OssicleError
from engine.migrate import upgrade_params
from engine.node import Need, NodeSpec, Port
from engine.params import Params, descriptions
from engine.registry import LoadError, Registry
from engine.resource import subgraph_folders
from engine.subgraph import FOLDER, PREFIX, SEPARATOR, SUFFIX, Subgraph, SubgraphSpec, split_end
from engine.variables import fill, variables_in
from engine.workflow import SLUG, Node, Workflow, order

LARGEST_BYTES: Final = 16_000_000
CATEGORY: Final = "Sub-graphs"
Find = Callable[[str], NodeSpec | None]


def file_of(base: Path, name: str) -> Path:
    """Where the sub-graph of that name lies for workflows in a folder."""
    return base / FOLDER / f"{name}{SUFFIX}"


def base_of(path: Path) -> Path:
    """The folder that a workflow file belongs to; a sub-graph belongs to the folder above its own."""
    is_part = path.name.endswith(SUFFIX) and path.parent.name == FOLDER
    return path.parent.parent if is_part else path.parent


def load_any(path: Path) -> Workflow:
    """A workflow file, or a sub-graph's.

    Raises:
        OssicleError: missing, unreadable or neither.
    """
    return sg.load(path) if path.name.endswith(SUFFIX) else wf.load(path)


def files(base: Path) -> dict[str, Path]:
    """Sub-graph files by name; one beside the workflow goes before the user's own of the same name."""
    found: dict[str, Path] = {}
    for folder in subgraph_folders(base):
        try:
            found |= {path.name.removesuffix(SUFFIX): path for path in sorted(folder.glob(f"*{SUFFIX}"))}
        except OSError:
            continue  # a folder that may not be read holds nothing for us
    return found


def with_subgraphs(registry: Registry, base: Path) -> Registry:
    """The registry with the sub-graphs that workflows in `base` can use, and no others.

    Nothing changed on disk: the same registry comes back.
    """
    found = files(base.resolve())
    stamp = tuple(_stamp(path) for path in found.values())
    if stamp == registry.stamp:
        return registry
    plain = {key: spec for key, spec in registry.specs.items() if not isinstance(spec, SubgraphSpec)}
    errors = tuple(error for error in registry.errors if not error.name.startswith(PREFIX))
    shelf = _Shelf(found, Registry(plain, errors))
    specs = {f"{PREFIX}{name}": spec for name in sorted(found) if (spec := shelf.get(name)) is not None}
    return Registry({**plain, **specs}, (*errors, *shelf.errors.values()), stamp)


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), status.st_mtime_ns, status.st_size


@dataclass
class _Shelf:
    """Sub-graphs while they are read: each after those it holds."""

    files: Mapping[str, Path]
    plain: Registry
    specs: dict[str, SubgraphSpec] = field(default_factory=dict)
    errors: dict[str, LoadError] = field(default_factory=dict)
    reading: list[str] = field(default_factory=list)

    def get(self, name: str) -> SubgraphSpec | None:
        """The node type of a file; None if it is bad (then the error is kept) or missing."""
        if name in self.specs or name in self.errors or name not in self.files:
            return self.specs.get(name)
        self.reading.append(name)
        try:
            self.specs[name] = _spec(name, _read(name, self.files[name]), self.files[name], self.find)
        except OssicleError as error:
            words = f"{error.what}. Expected: {error.expected}"
            self.errors[name] = LoadError(f"{PREFIX}{name}", words, f"{error.remedy} ({self.files[name]})")
        finally:
            self.reading.pop()
        return self.specs.get(name)

    def find(self, type_id: str) -> NodeSpec | None:
        """A node type, sub-graphs included."""
        if not type_id.startswith(PREFIX):
            return self.plain.find(type_id)
        name = sg.name_of(type_id)
        if name in self.reading:
            loop = " -> ".join([*self.reading[self.reading.index(name) :], name])
            _fail(f"sub-graphs hold each other: {loop}", "sub-graphs that do not hold themselves", "Take one out")
        if len(self.reading) >= sg.DEEPEST:
            _fail(f"sub-graphs lie {sg.DEEPEST} deep in each other", "fewer", "Draw some of them out")
        if self.get(name) is None and name in self.errors:
            _fail(f"it holds {type_id}, which cannot be used", "sub-graphs without errors", "Correct that one first")
        return self.specs.get(name)


def _read(name: str, path: Path) -> Subgraph:
    if not re.match(SLUG, name) or SEPARATOR in name:
        _fail(f"{name!r} is no name for a sub-graph", f"small letters, digits, - and _, no {SEPARATOR}", "Rename it")
    try:
        is_file, size = path.is_file(), path.stat().st_size
    except OSError as error:
        _fail(f"it cannot be read ({error.strerror})", "a readable file", "Correct its permissions, or remove it")
    if not is_file or size > LARGEST_BYTES:
        _fail(f"it is {f'{size:,} bytes long' if is_file else 'no file'}", "a sub-graph file", "Remove it")
    return sg.load(path)


def _fail(what: str, expected: str, remedy: str) -> NoReturn:
    raise OssicleError(what, expected, remedy)


# ---- one node type


def _spec(name: str, raw: Subgraph, path: Path, find: Find) -> SubgraphSpec:
    """A sub-graph as a node type.

    Raises:
        OssicleError: its graph has a cycle, its interface does not fit it, or a sub-graph in it is bad.
    """
    specs = {key: find(node.type) for key, node in raw.nodes.items()}
    inside = raw.model_copy(update={"nodes": {key: _present(node, specs[key]) for key, node in raw.nodes.items()}})
    sequence = _check_graph(inside)
    face = inside.interface
    titles = ", ".join(dict.fromkeys(spec.title for key in sequence if (spec := specs[key]) is not None))
    size = sum(spec.size if isinstance(spec, SubgraphSpec) else 1 for spec in specs.values())
    if size > sg.MOST_NODES:
        _fail(f"it stands for {size:,} nodes", f"at most {sg.MOST_NODES:,}", "Take some of the sub-graphs in it out")
    return SubgraphSpec(
        id=f"{PREFIX}{name}",
        version=1,
        category=CATEGORY,
        function=_never,
        params=_params(name, inside, specs),
        inputs=tuple(_input(key, ends, inside, specs) for key, ends in face.inputs.items()),
        outputs=tuple(Port(key, _output(key, end, specs).type) for key, end in face.outputs.items()),
        title=inside.name,
        about=inside.about or f"A sub-graph: {titles}.",
        needs=_needs(specs),
        package=FOLDER,
        inside=inside,
        path=path,
        size=size,
    )


def _never(**_: Any) -> NoReturn:
    raise TypeError("a sub-graph is drawn out before anything runs")


def _present(node: Node, spec: NodeSpec | None) -> Node:
    """A node as its type has it today, so that the interface can name today's parameters."""
    if spec is None or node.version >= spec.version:
        return node
    return node.model_copy(
        update={"params": upgrade_params(spec, node.params, node.version), "version": spec.version, "type": spec.id}
    )


def _needs(specs: Mapping[str, NodeSpec | None]) -> tuple[Need, ...]:
    return tuple(sorted({need for spec in specs.values() if spec is not None for need in spec.needs}))


def _check_graph(inside: Subgraph) -> list[str]:
    """Its nodes in running order."""
    sequence = order(inside)
    for name in inside.nodes:
        if SEPARATOR in name:
            _fail(f"the id {name} holds {SEPARATOR}", "ids without it in a sub-graph", "Rename the node")
    for link in inside.links:
        for node in (link.source, link.target):
            if node not in inside.nodes:
                _fail(f"{link}: there is no node {node}", "links between its own nodes", "Correct or remove the link")
    for name, entry in inside.nodes.items():
        for parameter, value in entry.params.items():
            for variable in set(variables_in(value)) - inside.variables.keys():
                what = f"{name}.{parameter} is {{{variable}}}, a variable that it does not have"
                _fail(what, f"one of {sorted(inside.variables)}", "Add the variable to it, or expose the parameter")
    return sequence


def _port(where: str, end: str, specs: Mapping[str, NodeSpec | None], *, is_output: bool) -> Port:
    node, port = split_end(end)
    spec = specs.get(node)
    if node not in specs:
        _fail(f"{where} leads to {end}: there is no node {node}", f"one of {sorted(specs)}", "Correct the interface")
    if spec is None:
        _fail(f"{where} leads to {end}, whose type is not installed", "an installed node type", "Install its plugin")
    found = spec.output(port) if is_output else spec.input(port)
    if found is None:
        known = [p.name for p in (spec.outputs if is_output else spec.inputs)]
        word = "output" if is_output else "input"
        _fail(f"{where} leads to {end}, but {node} has no such {word}", f"one of {known}", "Correct the interface")
    return found


def _output(name: str, end: str, specs: Mapping[str, NodeSpec | None]) -> Port:
    return _port(f"the output {name}", end, specs, is_output=True)


def _input(name: str, ends: tuple[str, ...], inside: Subgraph, specs: Mapping[str, NodeSpec | None]) -> Port:
    where = f"the input {name}"
    ports = [_port(where, end, specs, is_output=False) for end in ends]
    wired = {f"{link.target}.{link.input}" for link in inside.links}
    wired |= {end for key, others in inside.interface.inputs.items() if key != name for end in others}
    for end, port in zip(ends, ports, strict=True):
        if end in wired and not port.many:
            _fail(f"{where} leads to {end}, which has a wire already", "a free input", "Remove the wire or the input")
    kind = next((p.type for p in ports if all(issubclass(p.type, q.type) for q in ports)), None)
    if kind is None:
        kinds = ", ".join(sorted({port.type.kind() for port in ports}))
        _fail(f"{where} leads to inputs of different types ({kinds})", "one type", "Make an input for each")
    return Port(name, kind, all(port.optional for port in ports), all(port.many for port in ports))


# ---- parameters


def _params(name: str, inside: Subgraph, specs: Mapping[str, NodeSpec | None]) -> type[Params]:
    """The exposed parameters as a model of their own: type, range, unit and help of the inner ones."""
    fields: dict[str, Any] = dict(_fields(inside, specs))
    title = "".join(part.capitalize() for part in re.split(r"[-_]", name))
    made: type[Params] = create_model(f"{title}Params", __base__=Params, __module__=__name__, **fields)
    return made


def _fields(inside: Subgraph, specs: Mapping[str, NodeSpec | None]) -> Iterator[tuple[str, Any]]:
    for name, ends in inside.interface.params.items():
        if hasattr(Params, name):
            _fail(f"a parameter cannot be called {name}", "another name", "Rename it in the interface")
        found = [_field(name, end, inside, specs) for end in ends]
        values = [to_jsonable_python(default, fallback=repr) for _kind, default in found]
        if any(value != values[0] for value in values):
            told = ", ".join(f"{end} is {value!r}" for end, value in zip(ends, values, strict=True))
            _fail(f"the parameter {name} leads to different values: {told}", "one value", "Make them equal")
        yield name, found[0]


def _field(name: str, end: str, inside: Subgraph, specs: Mapping[str, NodeSpec | None]) -> tuple[Any, Any]:
    """Type and default for `create_model`."""
    node, parameter = split_end(end)
    spec = specs.get(node)
    info = spec.params.model_fields.get(parameter) if spec is not None else None
    if spec is None or info is None:
        known = sorted(spec.params.model_fields) if spec is not None else sorted(specs)
        _fail(f"the parameter {name} leads to {end}, which does not exist", f"one of {known}", "Correct the interface")
    text = info.description or descriptions(spec.params).get(parameter)
    kind = Annotated[info.annotation, info, Field(description=text)] if text else Annotated[info.annotation, info]
    if parameter in inside.nodes[node].params:
        return kind, fill(inside.nodes[node].params[parameter], inside.variables)
    return kind, ... if info.is_required() else info.get_default(call_default_factory=True)


# ---- files of a run


def used(workflow: Workflow, registry: Registry) -> dict[str, SubgraphSpec]:
    """Every sub-graph that a workflow uses, those within sub-graphs included, by name."""
    found: dict[str, SubgraphSpec] = {}
    todo: list[Workflow] = [workflow]
    while todo:
        for kind in {node.type for node in todo.pop().nodes.values() if node.type.startswith(PREFIX)}:
            spec = registry.find(kind)
            if isinstance(spec, SubgraphSpec) and sg.name_of(kind) not in found:
                found[sg.name_of(kind)] = spec
                todo.append(spec.inside)
    return found


def keep(workflow: Workflow, registry: Registry, folder: Path) -> None:
    """Write the sub-graphs that a workflow uses into a folder's `subgraphs/`, so that it can be read there as it is.

    Raises:
        OSError: the folder cannot be written.
    """
    for name, spec in used(workflow, registry).items():
        wf.save(spec.inside, file_of(folder, name))


def load_flat(file: Path, registry: Registry) -> Workflow:
    """A workflow file with its sub-graphs drawn out: as runs, records and events name its nodes.

    Raises:
        OssicleError: it cannot be read, or a sub-graph cannot be drawn out.
    """
    return sg.expand(wf.load(file), with_subgraphs(registry, file.parent))
