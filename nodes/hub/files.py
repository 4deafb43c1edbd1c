"""Files that hold secrets."""

import os
from pathlib import Path


def write_private(path: Path, data: bytes) -> Path:
    """Write a file that its owner alone may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
    return path
