"""QS-DNN: which primitive computes which layer, in which format, found from measured latency.

>>> choices = choose(graph, find_target("native"))                      # by estimate, nothing is measured
>>> result = search(graph, find_target("native"), values)               # by measurement in place

`space` says what can be chosen, `costs` what it takes, `measure` and `meter` fill the costs in, `optimum`, `qlearning`
and `baselines` choose, `search` puts them together.
"""

from nodes.lne.search.choose import choose
from nodes.lne.search.costs import CostTable, estimated
from nodes.lne.search.measure import Profile, measure
from nodes.lne.search.optimum import Found, Limits, optimum
from nodes.lne.search.qlearning import Episode, Schedule, learn
from nodes.lne.search.search import Follow, Progress, Result, Settings, search
from nodes.lne.search.space import Space, make_space

__all__ = [
    "CostTable",
    "Episode",
    "Follow",
    "Found",
    "Limits",
    "Profile",
    "Progress",
    "Result",
    "Schedule",
    "Settings",
    "Space",
    "choose",
    "estimated",
    "learn",
    "make_space",
    "measure",
    "optimum",
    "search",
]
