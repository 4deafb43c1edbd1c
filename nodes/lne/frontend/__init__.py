"""A front end as C: MFCC or log-mel features of a whole clip, or of a stream hop by hop."""

from nodes.lne.frontend.sizes import Sizes
from nodes.lne.frontend.source import features_header, features_source

__all__ = ["Sizes", "features_header", "features_source"]
