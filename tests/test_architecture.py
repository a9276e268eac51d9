"""The house keeps its own rules: rooms, names, sizes, mirrors, and who may know what."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest
from importlinter.cli import lint_imports

from proxy import callers, credentials, extractors, injectors, stores
from proxy.core.kinds import Table

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "proxy").rglob("*.py"))
TESTS: Final = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py"))
ROOMS: Final = {source.split("/")[1] for source in SOURCES if source.count("/") > 1}
FAMILIES: Final[tuple[ModuleType, ...]] = (callers, credentials, extractors, injectors, stores)

MAX_MODULE: Final = 300
MAX_FUNCTION: Final = 60
SHAPELESS: Final = {"utils", "util", "helpers", "helper", "common", "misc", "lib", "shared", "base_classes", "managers"}

WITHOUT_A_MIRROR: Final = {
    "proxy/admin/inspectable.py": "a protocol: the type checker holds the process to it",
    "proxy/core/principal.py": "a record without behaviour",
    "proxy/gateway/request.py": "a record without behaviour",
}
"""Modules that no test file of their own could say anything about, and why."""
NEVER_MIRRORED: Final = {"__init__.py", "__main__.py", "base.py"}
"""A table, three lines that call the command line, and what the family's compliance suite proves of each kind."""

HOMES: Final = {
    "yaml": {"proxy/config/document.py"},
    "redis": {f"proxy/stores/redis_{part}.py" for part in ("client", "cluster", "faults", "link", "news")},
    "cryptography": {"proxy/core/seal.py", "proxy/credentials/signing_key.py", "proxy/net/certificates.py"},
    "jwt": {"proxy/core/jwt_claims.py", "proxy/credentials/claims.py", "proxy/credentials/signing_key.py"},
    "sqlite3": {f"proxy/stores/sqlite_{part}.py" for part in ("faults", "file", "news", "schema", "tables")},
    "prometheus_client": {"proxy/telemetry/metrics.py"},
    "defusedxml": {"proxy/extractors/xml.py"},
    "regex": {"proxy/core/pattern.py"},
    "aiosmtplib": {"proxy/users/mail.py"},
    "jsonpath_ng": {"proxy/core/json_path.py"},
    "aiohttp.ClientSession": {f"proxy/net/{part}.py" for part in ("session", "endpoint", "failing")},
}
"""What is known in one place alone."""
SPAWNER: Final = "proxy/net/runtime.py"
SPAWNING: Final = {"create_task", "ensure_future"}


@functools.cache
def parsed(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), path)


def mirror_of(source: str) -> str:
    folder, _, name = source.removeprefix("proxy/").rpartition("/")
    return "/".join(filter(None, ("tests", folder, f"test_{name}")))


def functions_in(path: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def imported_by(path: str) -> Iterator[str]:
    """Yield the dotted names that a module imports, and the attributes it reads of imported modules."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def camel(word: str) -> str:
    return "".join(part.capitalize() for part in word.split("_"))


@pytest.mark.parametrize("source", [source for source in SOURCES if Path(source).name not in NEVER_MIRRORED])
def test_a_module_has_its_mirror_among_the_tests(source: str) -> None:
    if source in WITHOUT_A_MIRROR:
        assert {mirror_of(source)}.isdisjoint(TESTS), "it has one after all: take it off the list"
    else:
        assert {mirror_of(source)}.issubset(TESTS)


def test_the_exempt_modules_exist() -> None:
    assert set(WITHOUT_A_MIRROR) <= set(SOURCES)


@pytest.mark.parametrize("test", [test for test in TESTS if test.count("/") == 2 and test.split("/")[1] in ROOMS])
def test_a_test_of_a_room_mirrors_a_module_there(test: str) -> None:
    if Path(test).name.startswith("test_"):
        assert test in map(mirror_of, SOURCES)
    else:
        assert Path(test).name in {"__init__.py", "conftest.py"}


@pytest.mark.parametrize("source", SOURCES)
def test_a_module_begins_with_a_sentence(source: str) -> None:
    docstring = ast.get_docstring(parsed(source)) or ""
    first = docstring.partition("\n")[0]
    assert first.endswith((".", ":"))
    assert first[:1].isupper() or first.startswith("`")


@pytest.mark.parametrize("source", SOURCES)
def test_what_belongs_to_one_place_is_known_there_alone(source: str) -> None:
    names = set(imported_by(source))
    for thing, homes in HOMES.items():
        known = [name for name in names if name == thing or name.startswith(f"{thing}.")]
        assert source in homes or not known, f"{thing} is for {', '.join(homes)}"


def test_client_sessions_are_opened_in_one_place() -> None:
    opening = {
        source
        for source in SOURCES
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ClientSession")
    }
    assert opening == {"proxy/net/session.py"}


@pytest.mark.parametrize("source", SOURCES)
def test_a_task_is_started_by_the_runtime(source: str) -> None:
    started = {
        node.attr for node in ast.walk(parsed(source)) if isinstance(node, ast.Attribute) and node.attr in SPAWNING
    }
    assert started == ({"create_task"} if source == SPAWNER else set())


@pytest.mark.parametrize("source", SOURCES)
def test_a_module_is_short(source: str) -> None:
    length = len((ROOT / source).read_text(encoding="utf-8").splitlines())
    assert length <= MAX_MODULE


@pytest.mark.parametrize("source", SOURCES)
def test_a_function_is_short(source: str) -> None:
    lengths = {function.name: (function.end_lineno or 0) - function.lineno + 1 for function in functions_in(source)}
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION} == {}


def test_no_place_is_named_after_nothing() -> None:
    words = {word for path in SOURCES + TESTS for word in Path(path).with_suffix("").parts}
    assert words & SHAPELESS == set()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_a_kind_has_one_word_for_its_table_file_class_setting_and_test(family: ModuleType) -> None:
    table: Table[type] = family.KINDS
    assert table.family == family.__name__
    for word, kind in table.items():
        assert (kind.__module__, kind.__name__) == (f"{family.__name__}.{word}", camel(word))
        assert kind.Settings.__module__ == kind.__module__  # type: ignore[attr-defined]  # what a table holds has it
        assert mirror_of(f"{family.__name__.replace('.', '/')}/{word}.py") in TESTS


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_a_family_proves_its_kinds_in_one_suite(family: ModuleType) -> None:
    room = family.__name__.rpartition(".")[2]
    assert f"tests/compliance/{room}.py" in TESTS
    for word in family.KINDS:
        assert f"tests.compliance.{room}." in "".join(imported_by(f"tests/{room}/test_{word}.py")), word


def test_imports_point_down_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


ASSERTIONS: Final = {"pytest.raises", "pytest.warns", "pytest.fail", "asyncio.timeout", "jsonschema.validate"}
"""Calls that fail a test as an `assert` does."""


def asserting(path: str) -> set[str]:
    """Return the functions of a test file that can fail by their own words, or by those of another one in the file."""
    functions = {function.name: function for function in functions_in(path)}
    found = {name for name, function in functions.items() if any(map(is_assertion, ast.walk(function)))}
    while more := {name for name in functions.keys() - found if set(called_by(functions[name])) & found}:
        found |= more
    return found


def is_assertion(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ASSERTIONS
    return isinstance(node, ast.Assert)


def called_by(function: ast.AST) -> Iterator[str]:
    """Yield the last words of the names that a function calls."""
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return (ast.unparse(name).rpartition(".")[2] for name in calls)


@pytest.mark.parametrize("test", [test for test in TESTS if "/test_" in test or "/compliance/" in test])
def test_a_test_asserts_something(test: str) -> None:
    tests = {function.name for function in functions_in(test) if function.name.startswith("test_")}
    assert tests - asserting(test) == set()
