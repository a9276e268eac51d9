"""What the kernel tells of a process: its memory, its open files, its connections. On Linux only."""

import contextlib
from pathlib import Path
from typing import Final

HAS_PROC: Final = Path("/proc/self/fd").exists()
"""Whether there is anything to read."""


def memory(pid: int, name: str) -> int:
    """Return a size that the kernel's status of the process names, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def reset_peak(pid: int) -> None:
    """Let the kernel's record of the most resident memory start anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def descriptors(pid: int) -> list[str]:
    """Return what each open descriptor of the process leads to."""
    targets = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed while we looked
            targets.append(str(entry.readlink()))
    return targets


def socket_inodes(pid: int) -> set[str]:
    """Return the kernel's numbers of the sockets that the process has open."""
    return {target[8:-1] for target in descriptors(pid) if target.startswith("socket:[")}


def connections_to(pid: int, port: int) -> int:
    """Return how many connections the process holds to that port, whatever their state."""
    inodes, count = socket_inodes(pid), 0
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        count += int(columns[2].rsplit(":", 1)[1], 16) == port and columns[9] in inodes
    return count
