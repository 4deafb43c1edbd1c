"""The built-in primitives, family by family."""

from nodes.lne.primitive import Primitive
from nodes.lne.primitives.cast import PRIMITIVES as CASTS
from nodes.lne.primitives.depthwise import PRIMITIVES as DEPTHWISE
from nodes.lne.primitives.direct import PRIMITIVES as DIRECT
from nodes.lne.primitives.elementwise import PRIMITIVES as ELEMENTWISE
from nodes.lne.primitives.first import PRIMITIVES as FIRST
from nodes.lne.primitives.gemm import PRIMITIVES as GEMM
from nodes.lne.primitives.int8 import PRIMITIVES as INT8
from nodes.lne.primitives.plain import PRIMITIVES as PLAIN
from nodes.lne.primitives.planar import PRIMITIVES as PLANAR
from nodes.lne.primitives.pointwise import PRIMITIVES as POINTWISE
from nodes.lne.primitives.pool import PRIMITIVES as POOL
from nodes.lne.primitives.recurrent import PRIMITIVES as RECURRENT
from nodes.lne.primitives.shuffle import PRIMITIVES as SHUFFLE
from nodes.lne.primitives.softmax import PRIMITIVES as SOFTMAX
from nodes.lne.primitives.winograd import PRIMITIVES as WINOGRAD

BUILT_IN: tuple[Primitive, ...] = (
    *CASTS,
    *PLAIN,
    *DIRECT,
    *POINTWISE,
    *GEMM,
    *DEPTHWISE,
    *FIRST,
    *PLANAR,
    *POOL,
    *ELEMENTWISE,
    *SOFTMAX,
    *SHUFFLE,
    *RECURRENT,
    *INT8,
    *WINOGRAD,
)
