"""What is wrong inside credentials and between them, with its place in the file."""

import pytest

from tests.config.conftest import Examine

HEAD = """\
callers: {here: {kind: anonymous}}
routes:
  api: {match: {path: /a/}, upstream: https://api.example, callers: [here], credential: login}
  other: {match: {path: /b/}, upstream: https://api.example, callers: [here], credential: upload}
credentials:
"""
UPLOAD = """\
  upload:
    kind: workflow
    steps: []
    token: "{{ UPLOAD_TOKEN }}"
"""
LOGIN = """\
  login:
    kind: workflow
    variables: {USER: me}
    save_to: upload
    steps:
      - name: challenge
        request: {url: https://auth.example/challenge, json: {user: "{{ USER }}"}}
        extract: {NONCE: {from: json, path: nonce}}
      - name: answer
        when: [{variable: NONCE, present: true}]
        request:
          url: https://auth.example/answer
          headers: {X-Nonce: "{{ NONCE }}"}
        succeeds_when: {all: [{variable: NONCE, not_equals: none}]}
        extract: {ACCESS_TOKEN: {from: json, path: token}}
    refresh:
      - name: renew
        request: {url: https://auth.example/renew, form: {token: "{{ ACCESS_TOKEN }}"}}
        extract: {ACCESS_TOKEN: {from: json, path: token}}
"""


def problems(examined: Examine, text: str) -> list[str]:
    return [str(problem).partition("countersign.yaml:")[2] for problem in examined(text).problems]


def test_a_sound_workflow_has_no_problem_not_even_that_it_forgets(examined: Examine) -> None:
    assert problems(examined, HEAD + UPLOAD + LOGIN) == []


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ('"{{ USER }}"', '"{{ USR }}"', "16:56", "the variable USR has no value in this step; give USR a first value"),
        ('"{{ NONCE }}"', '"{{ ANSWER }}"', "22:30", "let an earlier step `extract` it"),
        ("{X-Nonce", "{X-Token: '{{ ACCESS_TOKEN }}', X-Nonce", "22:30", "the variable ACCESS_TOKEN has no value in"),
        ("{token: ", "{more: '{{ NONE }}', token: ", "27:65", "the variable NONE has no value in this step"),
        (
            "variable: NONCE, present",
            "variable: NONSE, present",
            "19:27",
            "no step brings it, and `variables` does not",
        ),
        ("variable: NONCE, not_eq", "variable: NONSE, not_eq", "23:42", "the variable NONSE has no value"),
        (
            "    save_to: upload",
            "    save_to: upload\n    token: '{{ TOKN }}'",
            "14:12",
            "add it to `extract` of a step",
        ),
        ("{ACCESS_TOKEN: ", "{TOKEN: ", "10:3", "no step brings the variable ACCESS_TOKEN that `token` is made of"),
        (
            "save_to: upload",
            "save_to: uplaod",
            "13:14",
            "no credential is called 'uplaod'; known: upload; did you mean",
        ),
        ("save_to: upload", "save_to: [upload, login]", "13:23", "'login' saves to login in turn"),
    ],
)
def test_a_flaw_is_told_with_its_place_and_a_remedy(
    examined: Examine, old: str, new: str, place: str, message: str
) -> None:
    assert old in LOGIN
    told = problems(examined, HEAD + UPLOAD + LOGIN.replace(old, new))
    assert any(one.startswith(f"{place}: ") and message in one for one in told), told


def test_only_a_workflow_can_be_saved_to(examined: Examine) -> None:
    [told] = problems(examined, HEAD + "  upload: {kind: text, value: a}\n" + LOGIN)
    assert told.startswith(
        "10:14: credentials.login.save_to[0]: 'upload' is of kind text; make it one of kind workflow"
    )


def test_two_that_save_to_each_other_are_told_of_at_both(examined: Examine) -> None:
    told = problems(examined, HEAD + UPLOAD + "    save_to: [login]\n" + LOGIN)
    assert [one.partition(":")[2].partition(": credentials.")[2] for one in told] == [
        "upload.save_to[0]: 'login' saves to upload in turn, so neither would ever be done; take one of them out",
        "login.save_to[0]: 'upload' saves to login in turn, so neither would ever be done; take one of them out",
    ]


def test_two_cannot_refresh_with_the_same_that_works_once(examined: Examine) -> None:
    renew = LOGIN[LOGIN.index("    refresh:") :].replace("name: renew", "name: too")
    told = problems(examined, HEAD + UPLOAD + renew + LOGIN)
    assert any("'upload' would spend the same ACCESS_TOKEN, which may work only once" in one for one in told), told


def test_two_that_are_saved_to_cannot_spend_the_same_either(examined: Examine) -> None:
    renew = LOGIN[LOGIN.index("    refresh:") :]
    login = LOGIN.removesuffix(renew).replace("save_to: upload", "save_to: [upload, other]")
    both = UPLOAD + renew + UPLOAD.replace("upload:", "other:") + renew
    told = problems(examined, HEAD + both + login)
    [shared] = [one for one in told if "save_to" in one]
    assert shared.partition("save_to[1]: ")[2] == (
        "'other' would spend the same ACCESS_TOKEN, which may work only once; "
        "let one of them alone refresh with ACCESS_TOKEN"
    )
    own = login.replace("{ACCESS_TOKEN: ", "{TOKEN: ") + "    token: '{{ TOKEN }}'\n"
    assert not any("save_to" in one for one in problems(examined, HEAD + both + own))


@pytest.mark.parametrize(("first", "is_told"), [("the-first-one", True), ('""', False)])
def test_a_first_value_that_every_run_sends_again_is_doubted(examined: Examine, first: str, is_told: bool) -> None:
    once = f"""\
  login:
    kind: workflow
    variables: {{ACCESS_TOKEN: {first}}}
    save_to: upload
    steps:
      - name: renew
        request: {{url: https://auth.example/renew, form: {{token: "{{{{ ACCESS_TOKEN }}}}"}}}}
        extract: {{ACCESS_TOKEN: {{from: json, path: token}}}}
"""
    told = problems(examined, HEAD + UPLOAD + once)
    sentence = (
        "every run sends this ACCESS_TOKEN again, and not the one that the reply before brought; "
        "if it works only once, write steps that send the new one under `refresh`"
    )
    assert [one.partition("variables.ACCESS_TOKEN: ")[2] for one in told] == [sentence] * is_told


def test_what_users_bring_stays_with_them(examined: Examine) -> None:
    users = "users: {identity_secret: 0123456789abcdef0123456789abcdef}\n"
    told = problems(examined, users + HEAD + UPLOAD + LOGIN.replace("{USER: me}", "{}\n    per_user: true"))
    assert any("'upload' cannot be saved to: variables of users stay with their user" in one for one in told), told
    assert not any("USER has no value" in one for one in told)


def test_without_steps_somebody_has_to_save_to_it(examined: Examine) -> None:
    [told] = problems(examined, HEAD + UPLOAD + LOGIN.replace("    save_to: upload\n", ""))
    assert told.startswith("6:3: credentials.upload: without steps, its token comes from what another credential saves")


def test_who_can_only_begin_with_a_refresh_token_is_told_to_keep_what_follows(examined: Examine) -> None:
    chained = LOGIN.replace("{USER: me}", "{USER: me, ACCESS_TOKEN: the-first-one}")
    [told] = problems(examined, HEAD + UPLOAD + chained)
    assert "warning: credentials.login: what it spends may work only once" in told
