"""The folder a network is handed on in: C sources, header, library, build files, example, description.

>>> package = make_package("kws1", [plan], front_end, labels)
>>> write_package(Path("kws1"), package, Order(network=onnx_bytes, checks=[Check(features, wanted)]))
>>> library = open_package(Path("kws1"))
>>> library(features)
"""

from nodes.lne.package.code import blobs, sources
from nodes.lne.package.contents import Package, make_package, package_name
from nodes.lne.package.folder import Check, Order, write_below, write_package
from nodes.lne.package.library import Library, open_package

__all__ = [
    "Check",
    "Library",
    "Order",
    "Package",
    "blobs",
    "make_package",
    "open_package",
    "package_name",
    "sources",
    "write_below",
    "write_package",
]
