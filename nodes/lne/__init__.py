"""LNE: from a trained network to dependency-free C, with many ways to compute each layer.

>>> graph = read_onnx(Path("model.onnx")).graph
>>> plan = make_plan(graph, find_target("native"), choices, casts())
>>> program = generate(plan)
"""

from nodes.lne.build import Runner, compile_program, open_library
from nodes.lne.errors import LneError
from nodes.lne.ir import Graph
from nodes.lne.plan import Plan, make_plan
from nodes.lne.primitive import Primitive, Range, Task
from nodes.lne.program import Program, generate
from nodes.lne.reading import Reading, read_onnx
from nodes.lne.registry import candidates, casts, primitives, register
from nodes.lne.target import TARGETS, Target, find_target

__all__ = [
    "TARGETS",
    "Graph",
    "LneError",
    "Plan",
    "Primitive",
    "Program",
    "Range",
    "Reading",
    "Runner",
    "Target",
    "Task",
    "candidates",
    "casts",
    "compile_program",
    "find_target",
    "generate",
    "make_plan",
    "open_library",
    "primitives",
    "read_onnx",
    "register",
]
