"""A workflow goes on with the steps of another one, as if they stood there."""

from pathlib import Path
from typing import Any, Final

import pytest

from proxy.config.load import load
from proxy.config.schema import Config
from proxy.credentials.workflow import WorkflowSettings
from proxy.tokens.identity import identity_of
from tests.config.conftest import Examine

HEAD: Final = """\
callers: {here: {kind: anonymous}}
store: {kind: sqlite, path: tokens.db}
seal: {keys: [c2VhbGluZyBrZXkgb2YgdGhlIHRlc3RzLCAzMiBieXQ=]}
users: {identity_secret: 0123456789abcdef0123456789abcdef, public_url: https://proxy.example}
routes:
  api: {match: {path: /a/}, upstream: https://api.example, callers: [here], credential: archive}
credentials:
"""
ARCHIVE: Final = """\
  archive:
    kind: workflow
    per_user: true
    variables: {KEY: ours}
    steps:
      - name: consent
        browser: {url: "https://archive.example/?state={{ STATE }}"}
    on_callback: redeem
    refresh:
      - name: renew
        request: {url: https://archive.example/renew, form: {key: "{{ KEY }}", renewal: "{{ RENEWAL }}"}}
        extract: {ACCESS_TOKEN: {from: json, path: token}}
"""
REDEEM: Final = """\
  redeem:
    kind: workflow
    variables: {KEY: theirs, SCOPE: read}
    steps:
      - name: redeem
        request:
          url: https://archive.example/token
          json: {key: "{{ KEY }}", scope: "{{ SCOPE }}", code: "{{ CODE }}", user: "{{ USER_ID }}", of: "{{ TENANT }}"}
        extract: {ACCESS_TOKEN: {from: json, path: token}, RENEWAL: {from: json, path: renewal}}
"""


def problems(examined: Examine, text: str) -> list[str]:
    return [str(problem).partition("countersign.yaml:")[2] for problem in examined(HEAD + text).problems]


def loaded(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "countersign.yaml"
    path.write_text(HEAD + text)
    return load(path, {}).config


def workflow(config: Config, name: str = "archive") -> WorkflowSettings:
    settings = config.credentials[name]
    assert isinstance(settings, WorkflowSettings)
    return settings


def test_a_workflow_that_is_there_for_another_one_has_no_problem(examined: Examine) -> None:
    assert problems(examined, ARCHIVE + REDEEM) == problems(examined, REDEEM + ARCHIVE) == []


def test_its_steps_stand_in_the_place_of_its_name_and_its_variables_beneath(tmp_path: Path) -> None:
    config = loaded(tmp_path, ARCHIVE + REDEEM)
    settings = workflow(config)
    assert settings.then == settings.on_callback == workflow(config, "redeem").steps
    assert {name: value.reveal() for name, value in settings.variables.items()} == {"KEY": "ours", "SCOPE": "read"}
    assert {"CODE", "USER_ID", "TENANT"} <= settings.user_variables
    assert "USER_ID" not in settings.wanted
    assert {"CODE", "TENANT"} <= settings.wanted


def test_a_change_of_the_steps_or_the_variables_makes_other_settings(tmp_path: Path) -> None:
    def identity(text: str) -> str:
        return identity_of(workflow(loaded(tmp_path, text)), b"k")

    same = identity(ARCHIVE + REDEEM)
    assert identity(REDEEM + ARCHIVE) == same
    assert identity(ARCHIVE + REDEEM.replace("archive.example/token", "archive.example/tokens")) != same
    assert identity(ARCHIVE + REDEEM.replace("SCOPE: read", "SCOPE: write")) != same
    assert identity(ARCHIVE + REDEEM.replace("KEY: theirs", "KEY: others")) == same


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("on_callback: redeem", "on_callback: redem", "15:18", "no credential is called 'redem'; known: redeem; did"),
        ("on_callback: redeem", "on_callback: archive", "15:18", "'archive' has a step with a browser of its own;"),
        ("on_callback: redeem", "on_callback: key", "15:18", "'key' is of kind text; name one of kind workflow"),
        ("on_callback: redeem", "on_callback: taker", "15:18", "'taker' has no steps to go on with; write some there"),
        ("    per_user: true\n", "", "14:18", "'redeem' is `per_user`, and this one has one token for all"),
        ("name: renew", "name: redeem", "15:18", "the steps of 'redeem' cannot be taken here: two steps are called"),
    ],
)
def test_a_name_that_leads_nowhere_is_told_with_its_place_and_a_remedy(
    examined: Examine, old: str, new: str, place: str, message: str
) -> None:
    others = "  key: {kind: text, value: a}\n  taker: {kind: workflow, steps: []}\n"
    redeem = REDEEM if "per_user" not in old else REDEEM.replace("workflow\n", "workflow\n    per_user: true\n")
    assert old in ARCHIVE
    told = problems(examined, ARCHIVE.replace(old, new) + redeem + others)
    assert any(one.startswith(f"{place}: credentials.archive.on_callback: {message}") for one in told), told


def test_steps_by_http_need_the_leave_of_who_takes_them(examined: Examine) -> None:
    redeem = REDEEM.replace("https:", "http:").replace("workflow\n", "workflow\n    allow_plain_http: true\n")
    [told] = problems(examined, ARCHIVE + redeem)
    assert told.startswith(
        "15:18: credentials.archive.on_callback: the steps of 'redeem' cannot be taken here: the url"
    )
    assert problems(examined, ARCHIVE.replace("per_user", "allow_plain_http: true\n    per_user") + redeem) == []


def test_one_that_is_not_sound_is_told_of_alone(examined: Examine) -> None:
    [one] = problems(examined, ARCHIVE + REDEEM.replace("extract:", "extracts:"))
    assert "unknown key 'extracts'" in one
    told = problems(examined, ARCHIVE.replace("url:", "ulr:") + REDEEM)
    assert any("unknown key 'ulr'" in one for one in told)
    assert not any("CODE" in one for one in told)


def test_what_only_people_bring_is_not_missed_because_a_name_is_misspelt(examined: Examine) -> None:
    told = problems(examined, ARCHIVE.replace("on_callback: redeem", "on_callback: redem") + REDEEM)
    [misspelt, unused] = told
    assert "on_callback: no credential is called 'redem'" in misspelt
    assert "warning: credentials.redeem: no route uses it" in unused


def test_one_that_is_used_for_itself_has_to_do_without_what_people_bring(examined: Examine) -> None:
    own = "  own: {match: {path: /b/}, upstream: https://api.example, callers: [here], credential: redeem}\n"
    text = (HEAD + ARCHIVE + REDEEM).replace("credentials:\n", own + "credentials:\n", 1)
    told = [str(problem) for problem in examined(text).problems]
    assert any("the variable CODE has no value in this step" in one for one in told), told


def test_what_counts_for_nothing_where_steps_are_lent_is_warned_of(examined: Examine) -> None:
    saving = "    save_to: taker\n    token: '{{ RENEWAL }}'\n"
    told = problems(examined, ARCHIVE + REDEEM + saving + "  taker: {kind: workflow, steps: []}\n")
    why = "warning: credentials.redeem.{}: only `steps` and `variables` count where another workflow goes on with this"
    for field, place in {"save_to": "29:14", "token": "30:12"}.items():
        assert any(one.startswith(f"{place}: {why.format(field)}") for one in told), told


def test_a_file_that_is_missing_is_told_of_once(examined: Examine) -> None:
    redeem = REDEEM.replace("        request:\n", "        request:\n          tls: {ca: nowhere.pem}\n")
    told = problems(examined, ARCHIVE + redeem)
    assert len([one for one in told if "tls.ca" in one]) == 1, told


def test_several_may_go_on_with_one(examined: Examine, tmp_path: Path) -> None:
    more = ARCHIVE.replace("archive:", "vault:").replace("KEY: ours", "SCOPE: all")
    settings: dict[str, Any] = {
        name: workflow(loaded(tmp_path, ARCHIVE + more + REDEEM), name).variables for name in ("archive", "vault")
    }
    assert settings["archive"]["KEY"].reveal() == "ours"
    assert (settings["vault"]["KEY"].reveal(), settings["vault"]["SCOPE"].reveal()) == ("theirs", "all")
