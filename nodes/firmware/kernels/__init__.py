"""The kernels, family by family. A new family is added to this list."""

from nodes.firmware.errors import FirmwareError
from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.dsp_conv import KERNELS as CONVOLUTIONS
from nodes.firmware.kernels.dsp_conv_pool import kernels as with_pool
from nodes.firmware.kernels.dsp_dense import FEW_PIXELS
from nodes.firmware.kernels.dsp_dense import KERNELS as DENSE
from nodes.firmware.kernels.dsp_depthwise import KERNELS as DEPTHWISE
from nodes.firmware.kernels.dsp_first import KERNELS as FIRST
from nodes.firmware.kernels.dsp_first_pool import KERNELS as FIRST_POOL
from nodes.firmware.kernels.dsp_join import KERNELS as JOINS
from nodes.firmware.kernels.dsp_mean import KERNELS as MEANS
from nodes.firmware.kernels.dsp_pointwise import KERNELS as POINTWISE
from nodes.firmware.kernels.dsp_pool import KERNELS as POOLS
from nodes.firmware.kernels.dsp_recurrent import KERNELS as RECURRENT
from nodes.firmware.kernels.plain import KERNELS as PLAIN
from nodes.firmware.kernels.plain_conv import KERNELS as PLAIN_CONVOLUTIONS
from nodes.firmware.kernels.plain_recurrent import KERNELS as PLAIN_RECURRENT
from nodes.firmware.kernels.transpose import KERNELS as TRANSPOSITIONS

LINES: tuple[Kernel, ...] = (*CONVOLUTIONS, *FEW_PIXELS, *DEPTHWISE, *FIRST)
BUILT_IN: tuple[Kernel, ...] = (
    *PLAIN_CONVOLUTIONS,
    *PLAIN,
    *LINES,
    *with_pool(LINES),
    *FIRST_POOL,
    *DENSE,
    *POINTWISE,
    *POOLS,
    *MEANS,
    *JOINS,
    *TRANSPOSITIONS,
    *PLAIN_RECURRENT,
    *RECURRENT,
)


def candidates(task: Task) -> list[Kernel]:
    """Those that can compute an operation, the best first."""
    able = [one for one in BUILT_IN if isinstance(task.op, one.ops) and not one.refuse(task)]
    return sorted(able, key=lambda one: (-one.preference(task), one.name))


def best(task: Task) -> Kernel:
    """The first candidate.

    Raises:
        FirmwareError: no kernel takes the operation.
    """
    found = candidates(task)
    if not found:
        raise FirmwareError(
            f"{task.op.name}: there is no kernel for {type(task.op).__name__}.",
            "an operation with a kernel",
            "Choose another network.",
        )
    return found[0]
