"""Tells when a file of the configuration has changed.

Directories are watched, not files: an editor renames a new file over the old one, and Kubernetes swaps a symbolic link
beside it (`..data`), and neither would be seen by somebody who watches the file. What counts is the content: it is
compared with what was read, so a `touch` or a second event of the same change wakes nobody, and a change between
reading and watching is not lost. It is compared every few seconds too, for some file systems send no events (NFS).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Final

from watchfiles import awatch

from proxy.config.files import ABSENT, digest_of

COMPARE_EVERY: Final = 2_000
"""Milliseconds without an event after which the contents are compared all the same."""
SETTLE: Final = 50
"""Milliseconds of quiet that end a change: an editor writes in several steps."""

MOST_LINKS: Final = 40
"""Symbolic links that are followed from one file, as the kernel does."""


async def changes(read: Callable[[], Mapping[Path, str]]) -> AsyncGenerator[None]:
    """Yield each time a file's content differs from what was read, until the iteration is given up.

    A file that is missing for the moment has not changed. Each difference is told once, and again when it comes back
    after it had vanished; what was read is asked again after every yield, for a reload may have read other files.

    Args:
        read: returns every file that the configuration was made of, with the digest of what was read.
    """
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # that something stirred in a directory is no news
    seen: tuple[Mapping[Path, str], Mapping[Path, str]] = {}, {}
    while True:
        directories = _directories(read())
        wakes = awatch(
            *directories,
            watch_filter=None,
            recursive=False,
            step=SETTLE,
            rust_timeout=COMPARE_EVERY,
            yield_on_timeout=True,
        )
        async with aclosing(_at_once_and(wakes)) as moments:
            async for _ in moments:
                files = read()
                changed = await asyncio.to_thread(differing, files)
                before, seen = seen, (files, changed)
                if changed and seen != before:
                    yield
                if _directories(read()) != directories:
                    break


async def _at_once_and(wakes: AsyncGenerator[object]) -> AsyncGenerator[None]:
    yield
    async with aclosing(wakes):
        async for _ in wakes:
            yield


def differing(files: Mapping[Path, str]) -> Mapping[Path, str]:
    """Return the digests of the files that hold something else than what was read."""
    now = {path: digest_of(path) for path in files}
    return {path: digest for path, digest in now.items() if digest not in (ABSENT, files[path])}


def _directories(files: Iterable[Path]) -> frozenset[Path]:
    """Return every directory in which the way to a file can change, symbolic links followed step by step."""
    return frozenset(directory for path in files for directory in _way(path))


def _way(path: Path) -> Iterator[Path]:
    for _ in range(MOST_LINKS):
        yield _existing(path.parent).resolve()
        if not path.is_symlink():
            return
        path = path.parent / path.readlink()


def _existing(directory: Path) -> Path:
    return next((parent for parent in (directory, *directory.parents) if parent.is_dir()), Path("/"))
