"""The mail with a code says what it is to say, and nothing that is filled in changes where it goes."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from proxy.core.secret import Secret
from proxy.users.letter import LetterSettings, Sender, envelope_sender, is_address, letter

OURS = LetterSettings()


def written(settings: LetterSettings = OURS, *, address: str = "ann@mail.example", **more: str) -> EmailMessage:
    """Return the letter as its reader parses it."""
    sender = more.pop("sender", "Example <no-reply@mail.example>")
    name = more.pop("name", "Ann")
    scope = more.pop("scope", "billing")
    made = letter(settings, sender=sender, address=address, code=Secret("123456"), scope=scope, minutes=10, name=name)
    return message_from_bytes(made.as_bytes(), policy=default)


def parts(message: EmailMessage) -> tuple[str, str]:
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


def test_it_says_the_code_for_what_it_is_and_how_long_it_counts_in_text_and_html() -> None:
    message = written()
    for part in parts(message):
        assert "123456" in part
        assert "billing" in part
        assert "10 minutes" in part
    assert message["Subject"] == "Your code for billing"
    assert (message["From"], message["To"]) == ("Example <no-reply@mail.example>", "ann@mail.example")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@mail.example>")
    assert "123456" not in message["Subject"]


def test_templates_of_the_operator_take_the_place_of_ours() -> None:
    settings = LetterSettings(
        subject="Hallo {{ USER_NAME }}", text="Dein Code: {{ CODE }}", html="<b>{{ CODE }}</b> {{ USER_NAME }}"
    )
    message = written(settings, name="<i>Ånn</i>")
    assert message["Subject"] == "Hallo <i>Ånn</i>"
    assert parts(message) == ("Dein Code: 123456\r\n", "<b>123456</b> &lt;i&gt;Ånn&lt;/i&gt;\r\n")


@pytest.mark.parametrize(
    ("field", "text", "why"),
    [
        ("text", "no code", "the code is missing"),
        ("html", "<p>", "the code is missing"),
        ("subject", "{{ WHO }}", "WHO is not known here"),
        ("text", "{{ CODE }} {{ PASSWORD }}", "PASSWORD is not known here"),
        ("text", "{{ CODE", "."),
    ],
)
def test_a_template_that_could_not_be_used_is_refused_when_it_is_read(field: str, text: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        LetterSettings.model_validate({field: text})


ODD = st.text(alphabet='ab\r\n:, <>@"\\\x00\x85\u2028é=?', max_size=40)


@given(ODD, ODD)
def test_no_name_and_no_scope_adds_a_header(name: str, scope: str) -> None:
    settings = LetterSettings(subject="{{ USER_NAME }} {{ SCOPE }}")
    message = written(settings, name=f"{name}\r\nBcc: eve@evil.example", scope=scope)
    assert sorted(message.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "MIME-Version"]
    )
    assert message["To"].addresses == written()["To"].addresses


@given(ODD)
def test_an_address_that_is_none_gets_no_letter(odd: str) -> None:
    address = f"{odd}ann@mail.example" if odd else "ann@mail.example\r\nRCPT TO:<eve@evil.example>"
    if is_address(address):
        assert written(address=address)["To"] == address
    else:
        with pytest.raises(ValueError, match="no address"):
            written(address=address)


@pytest.mark.parametrize(
    "address",
    ["ann@mail.example", "a.b+c@x", "O'Hara_1@mail-2.example", "ånn@x", "ann@å", "用户@例子.example", "é" * 32 + "@x"],
)
def test_ordinary_addresses_are_addresses(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "address",
    ["", "ann", "@x", "ann@", "ann@x y", "a b@x", "<ann@x>", "ann@x>", "a,b@x", "ann@x,eve@y", '"a b"@x', "ann@-x",
     "ann@x\n", "ann@x-", "a@b@c", "a" * 65 + "@x", "é" * 33 + "@x", "ann@[127.0.0.1]", "ann@x;", "ann@x..y",
     "ann@.x", "ann@x.", "ann@x.-y", "ann@" + "a." * 126 + "ab", "a\u00a0b@x", "a\u202eb@x", "a\u2028b@x",
     "a\x85b@x", "ann@x\u200b", "a\ud800@x", "a\u3000b@x"],
)  # fmt: skip
def test_others_are_not(address: str) -> None:
    assert not is_address(address)


@pytest.mark.parametrize("sender", ["no-reply@mail.example", "Ånn und Co <no-reply@mail.example>"])
def test_a_sender_is_an_address_perhaps_with_a_name(sender: str) -> None:
    assert TypeAdapter(Sender).validate_python(sender) == sender
    assert envelope_sender(sender) == "no-reply@mail.example"
    assert written(sender=sender)["From"] == sender


def test_what_is_beyond_ascii_goes_as_ascii_over_the_wire_unless_the_address_is_of_it() -> None:
    settings = LetterSettings(text="Ihr Code, Ånn: {{ CODE }}", html="<b>{{ CODE }}</b> Ånn")
    more = {"sender": "Ånn <a@mail.example>", "code": Secret("123456"), "scope": "a", "minutes": 10, "name": None}
    for address, is_ascii in (("ann@mail.example", True), ("ånn@mail.example", False)):
        made = letter(settings, address=address, **more).as_bytes()  # type: ignore[arg-type]  # of several types
        head, _, body = made.partition(b"\r\n\r\n")
        assert (head.isascii(), body.isascii()) == (is_ascii, True)


@pytest.mark.parametrize(
    "sender", ["", "Name", "ånn@x", "A <a@x>, B <b@x>", "A\r\nBcc: x <a@x>", '"A" <a@x>', "a@x <", "<>"]
)
def test_any_other_sender_is_refused(sender: str) -> None:
    with pytest.raises(ValidationError, match="sender"):
        TypeAdapter(Sender).validate_python(sender)
