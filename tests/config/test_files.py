from pathlib import Path

import pytest

from proxy.config.files import ABSENT, LARGEST, FileError, digest, digest_of, read


def test_a_file_is_read_up_to_four_mebibytes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * LARGEST)
    assert len(read(file)) == LARGEST
    file.write_bytes(b"x" * (LARGEST + 1))
    with pytest.raises(FileError, match="larger than 4 MiB"):
        read(file)


def test_a_device_without_an_end_is_not_read_to_its_end() -> None:
    with pytest.raises(FileError, match="larger than 4 MiB"):
        read(Path("/dev/zero"))


@pytest.mark.parametrize(("name", "why"), [("none", "No such file"), (".", "Is a directory"), ("a\0b", "not a path")])
def test_what_cannot_be_read_is_said_with_its_reason(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(FileError, match=why):
        read(tmp_path / name)
    assert digest_of(tmp_path / name) == ABSENT


def test_a_digest_tells_contents_apart(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    assert digest_of(file) == digest(b"one") != digest(b"two") != ABSENT
