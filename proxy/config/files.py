"""The files that a configuration consists of: bounded, and told apart by digest."""

import hashlib
from pathlib import Path
from typing import Final

LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a file."""
ABSENT: Final = ""
"""The digest of a file that cannot be read."""


class FileError(Exception):
    """A file cannot be read; the message says which and why, and holds nothing of its content."""


def read(path: Path) -> bytes:
    """Return what stands in the file.

    Raises:
        FileError: it cannot be read, or it is larger than four mebibytes.
    """
    try:
        with path.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "this is not a path"
        raise FileError(f"{path} cannot be read: {why}") from None
    if len(content) > LARGEST:
        raise FileError(f"{path} is larger than 4 MiB")
    return content


def digest(content: bytes) -> str:
    """Return what tells two contents apart."""
    return hashlib.sha256(content).hexdigest()


def digest_of(path: Path) -> str:
    """Return the digest of what stands in the file now, or ABSENT."""
    try:
        return digest(read(path))
    except FileError:
        return ABSENT
