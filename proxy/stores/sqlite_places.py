"""What is wrong with the place of a database file: file systems that lose it, and people who may take it away."""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")
"""Linux: proc_pid_mountinfo(5). Elsewhere nothing is known of file systems."""

_OCTAL: Final = re.compile(r"\\([0-7]{3})")

NETWORK: Final = {"9p", "afs", "ceph", "cifs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "vboxsf"}
VOLATILE: Final = {"ramfs", "tmpfs"}
LAYERED: Final = {"aufs", "overlay"}


def risks_of(path: Path) -> tuple[str, ...]:
    """Return a sentence, with the remedy, for each way in which the place of that file may lose records."""
    return tuple(_risks(path.resolve()))


def _risks(path: Path) -> Iterator[str]:
    kind = file_system(path, _mounts())
    if kind in NETWORK or kind.startswith("fuse."):
        yield (
            f"The token database stands on a file system of kind {kind}, where SQLite's locks may not hold; "
            "let store.path name a file on a local disk, or use the redis store."
        )
    if kind in VOLATILE:
        yield (
            f"The token database stands in memory ({kind}) and is lost when the machine restarts; "
            "let store.path name a file on a disk."
        )
    if kind in LAYERED:
        yield (
            "The token database stands in the container's own layer and is lost with the container; "
            "let store.path name a file on a volume."
        )
    try:
        is_open = bool(path.parent.stat().st_mode & stat.S_IWOTH) and os.name == "posix"
    except OSError:
        return  # opening it says what is wrong
    if is_open:
        yield (
            "Everybody on this machine may write to the directory of the token database, and so take it away or "
            "replace it; take that right away: chmod o-w."
        )


def file_system(path: Path, mounts: Iterable[str]) -> str:
    """Return the kind of file system that a path is on, or nothing if that is not known.

    Args:
        path: absolute, without symbolic links.
        mounts: the lines of proc_pid_mountinfo(5); of two on one place the later hides the earlier.
    """
    found, kind = -1, ""
    for line in mounts:
        about, _, rest = line.partition(" - ")
        fields = about.split(" ")
        if len(fields) < 5 or not rest:
            continue
        point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= found:
            found, kind = len(point.parts), rest.split(" ")[0]
    return kind


def _mounts() -> list[str]:
    try:
        return MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return []
