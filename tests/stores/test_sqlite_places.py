"""What is wrong with the place of a database file is told with the remedy."""

from pathlib import Path
from typing import Final

import pytest

from proxy.stores import sqlite_places
from proxy.stores.sqlite_places import file_system, risks_of

MOUNTS: Final = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /srv/share rw,relatime shared:2 master:1 - nfs4 files.example:/share rw,vers=4.2
24 22 0:22 / /srv/share/local rw,relatime - xfs /dev/vdb rw
25 22 0:23 / /srv/mit\\040süß rw,relatime - tmpfs tmpfs rw
26 22 0:24 / /srv/home rw - fuse.sshfs somewhere rw
27 22 0:25 / /srv/twice rw - ext4 /dev/vdc rw
28 27 0:26 / /srv/twice rw - overlay overlay rw,lowerdir=/a - b
a line of another kind
""".splitlines()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tokens.db", "ext4"),
        ("/srv/tokens.db", "ext4"),
        ("/srv/share/tokens.db", "nfs4"),
        ("/srv/shared/tokens.db", "ext4"),
        ("/srv/share/local/tokens.db", "xfs"),
        ("/srv/mit süß/tokens.db", "tmpfs"),
        ("/srv/twice/tokens.db", "overlay"),
    ],
)
def test_a_file_stands_on_what_is_mounted_next_above_it(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind


def test_where_nothing_is_known_of_mounts_there_is_no_kind() -> None:
    assert file_system(Path("/tokens.db"), []) == ""


def on(kind: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Return the risks of a file in that directory, as if it were on such a file system."""
    mounts = directory / "mountinfo"
    mounts.write_text(f"22 1 254:1 / / rw - {kind} /dev/vda1 rw\n")
    monkeypatch.setattr(sqlite_places, "MOUNTS", mounts)
    return risks_of(directory / "tokens.db")


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "apfs"])
def test_a_private_directory_on_a_local_disk_is_no_risk(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert on(kind, tmp_path, monkeypatch) == ()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("nfs4", "where SQLite's locks may not hold; let store.path name a file on a local disk, or use the redis"),
        ("cifs", "where SQLite's locks may not hold"),
        ("fuse.sshfs", "where SQLite's locks may not hold"),
        ("tmpfs", "in memory (tmpfs) and is lost when the machine restarts; let store.path name a file on a disk"),
        ("overlay", "in the container's own layer and is lost with the container; let store.path name a file on a vol"),
    ],
)
def test_a_file_system_that_loses_records_is_named(
    kind: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (risk,) = on(kind, tmp_path, monkeypatch)
    assert words in risk
    assert risk.endswith(".")


def test_a_directory_that_everybody_may_write_to_is_a_risk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o777)
    (risk,) = on("ext4", tmp_path, monkeypatch)
    assert risk.startswith("Everybody on this machine may write to the directory")
    assert risk.endswith("chmod o-w.")


def test_a_place_that_does_not_exist_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_places, "MOUNTS", tmp_path / "nothing")
    assert risks_of(tmp_path / "missing" / "tokens.db") == ()


def test_the_directory_behind_a_symbolic_link_is_what_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "there"
    there.mkdir()
    there.chmod(0o777)
    (tmp_path / "tokens.db").symlink_to(there / "tokens.db")
    assert len(on("ext4", tmp_path, monkeypatch)) == 1
