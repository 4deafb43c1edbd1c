"""QS-DNN: which primitive computes which layer, in which format, found from measured latency.

>>> choices = choose(graph, find_target("native"))                      # by estimate, nothing is measured
>>> result = search(graph, find_target("native"), settings=Settings())  # by measurement in place

`space` says what can be chosen, `costs` what it takes, `measure` and `meter` fill the costs in, `optimum`, `qlearning`
and `baselines` choose, `search` puts them together.
"""

from nodes.lne.search.choose import choose
from nodes.lne.search.costs import CostTable, estimated
from nodes.lne.search.measure import Profile, measure
from nodes.lne.search.optimum import Found, Limits, optimum
from nodes.lne.search.space import Space, make_space

__all__ = [
    "CostTable",
    "Found",
    "Limits",
    "Profile",
    "Space",
    "choose",
    "estimated",
    "make_space",
    "measure",
    "optimum",
]
