import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from proxy import __version__
from tests.deploy.tools import ROOT, run

DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(name: str) -> dict[str, str]:
    """Return the version of each package in a lock file that is followed by its hash."""
    entry = re.compile(r"^([\w.-]+)==(\S+)[^\\\n]*\\\n +--hash=sha256:[0-9a-f]{64}\b", re.MULTILINE)
    return {canonicalize_name(package): version for package, version in entry.findall((ROOT / name).read_text())}


def wanted() -> Iterator[tuple[str, Requirement]]:
    yield from (("requirements.lock", Requirement(text)) for text in PROJECT["project"]["dependencies"])
    yield from (("requirements-build.lock", Requirement(text)) for text in PROJECT["build-system"]["requires"])


def test_hadolint_finds_nothing() -> None:
    assert run("hadolint", ROOT / "Dockerfile") == ""


@pytest.mark.parametrize(("lock", "requirement"), tuple(wanted()), ids=str)
def test_the_lock_satisfies_the_project(lock: str, requirement: Requirement) -> None:
    version = locked(lock).get(canonicalize_name(requirement.name), "none")
    assert requirement.specifier.contains(version), "run make lock"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-build.lock"])
def test_every_package_of_the_image_is_locked_by_hash(lock: str) -> None:
    packages = re.findall(r"^[\w.-]+==", (ROOT / lock).read_text(), re.M)
    assert len(locked(lock)) == len(packages) > 0


def test_every_installation_refuses_what_is_not_locked() -> None:
    commands = re.split(r"&&|^RUN", DOCKERFILE.replace("\\\n", " "), flags=re.M)
    installs = [command for command in commands if " install " in command]
    assert len(installs) == 3
    assert all("--require-hashes" in one or "--no-index" in one for one in installs)


def test_the_process_is_nobody_and_receives_its_signals_itself() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.M) == ["65532:65532"]
    # The exec form: no shell stands between the signal and the process.
    assert re.findall(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.M) == ['["/opt/countersign/bin/countersign"]']


def test_the_image_says_what_it_is() -> None:
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", DOCKERFILE))
    assert {"title", "description", "source", "version", "revision", "created", "licenses"} <= labels
    assert f"ARG VERSION={__version__}\n" in DOCKERFILE
    assert f'description="{PROJECT["project"]["description"]}"' in DOCKERFILE


def test_nothing_enters_the_build_but_what_it_copies() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {
        source for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M) for source in sources.split()
    }
    assert "*" in rules
    assert allowed == copied


def test_no_secret_is_built_in() -> None:
    assert not re.search(r"secret|password|token|key", DOCKERFILE, re.I)
