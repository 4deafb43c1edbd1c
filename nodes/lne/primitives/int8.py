"""All 8-bit primitives."""

from nodes.lne.primitive import Primitive
from nodes.lne.primitives.int8_cast import PRIMITIVES as CASTS
from nodes.lne.primitives.int8_conv import PRIMITIVES as CONVOLUTIONS
from nodes.lne.primitives.int8_depthwise import PRIMITIVES as DEPTHWISE
from nodes.lne.primitives.int8_depthwise_neon import PRIMITIVES as DEPTHWISE_NEON
from nodes.lne.primitives.int8_elementwise import PRIMITIVES as ELEMENTWISE
from nodes.lne.primitives.int8_plain import PRIMITIVES as PLAIN
from nodes.lne.primitives.int8_pool import PRIMITIVES as POOLS

PRIMITIVES: tuple[Primitive, ...] = (*CASTS, *CONVOLUTIONS, *DEPTHWISE, *DEPTHWISE_NEON, *ELEMENTWISE, *PLAIN, *POOLS)
