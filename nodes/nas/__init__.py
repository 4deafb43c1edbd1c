"""Architecture search: the space of shapes, what a shape costs, which trials are best, and how the next one is chosen.

Nothing here trains: a caller asks `study` for a candidate, trains it as it likes, and tells how good it was.
"""
