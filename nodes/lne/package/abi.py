"""What a reader of a package must know of how it was written."""

from typing import Final

DESCRIPTION_FILE: Final = "deployment.json"
ABI: Final = 1
"""Of the library: a reader refuses a higher one."""
