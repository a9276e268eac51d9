"""Mail goes by an encrypted line to a server that proves itself, soon or not at all, and again if that helps."""

import asyncio
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from pydantic import ValidationError

from proxy.core.secret import Secret
from proxy.net import runtime
from proxy.net.runtime import Runtime
from proxy.users.letter import LetterSettings, letter
from proxy.users.mail import COMMANDS, LINES, QUEUE, WAITS, Line, Mailer, MailError, MailSettings
from tests.fakes.certificates import Authority
from tests.fakes.clock import FakeClock
from tests.fakes.mail_server import PASSWORD, USER, MailServer, code_in
from tests.fakes.until import until

ADDRESS = "ann@mail.example"


def write(address: str = ADDRESS) -> EmailMessage:
    sender = "Example <no-reply@mail.example>"
    code = Secret("123456")
    return letter(LetterSettings(), sender=sender, address=address, code=code, scope="a", minutes=10, name=None)


class Office:
    """A mailer for a server, and what it told of its letters."""

    def __init__(self, server: MailServer, authority: Authority | None, **settings: Any) -> None:
        self.clock = FakeClock()
        self.reported: list[BaseException] = []
        self.runtime = Runtime(self.clock, lambda name, error: self.reported.append(error))
        given = {"host": "127.0.0.1", "port": server.port, "from": "Example <no-reply@mail.example>"}
        if authority is not None:
            given["ca"] = authority.file
        self.mailer = Mailer(MailSettings.model_validate(given | settings), self.runtime)
        self.told: list[MailError | None] = []

    async def send(self) -> None:
        self.mailer.post(await self.mailer.open(), write, self.told.append)

    async def told_one(self) -> MailError | None:
        await until(lambda: self.told)
        return self.told[0]


Opener = Callable[..., Office]
LOGIN = {"username": USER, "password": Secret(PASSWORD)}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def offices() -> AsyncIterator[Opener]:
    made: list[Office] = []

    def opened(*given: Any, **settings: Any) -> Office:
        made.append(Office(*given, **settings))
        return made[-1]

    yield opened
    for office in made:
        await office.runtime.close()
        assert office.reported == []


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_letter_is_handed_over_encrypted_after_a_login(
    authority: Authority, offices: Opener, wrapped: bool
) -> None:
    async with MailServer(context=authority.server("127.0.0.1"), wrapped=wrapped, login=True) as server:
        office = offices(server, authority, tls="tls" if wrapped else "starttls", **LOGIN)
        await office.send()
        assert code_in(await server.letter_to(ADDRESS)) == "123456"
        assert await office.told_one() is None
        assert server.envelopes[0].mail_from == "no-reply@mail.example"
        assert server.logins
        assert server.connections == 1


async def test_a_server_on_this_machine_may_be_spoken_to_as_it_is(offices: Opener) -> None:
    async with MailServer() as server:
        office = offices(server, None, tls="none")
        await office.send()
        assert await office.told_one() is None
        assert len(server.letters) == 1


BEYOND = ["åsa@mail.example", "ann@bücher.example", "用户@例子.example"]


@pytest.mark.parametrize("address", BEYOND)
async def test_an_address_beyond_ascii_is_told_to_a_server_that_takes_it(offices: Opener, address: str) -> None:
    async with MailServer(utf8=True) as server:
        office = offices(server, None, tls="none")
        office.mailer.post(await office.mailer.open(), lambda: write(address), office.told.append)
        letter = await server.letter_to(address)
        assert (letter["To"], code_in(letter)) == (address, "123456")
        assert await office.told_one() is None


@pytest.mark.parametrize("address", BEYOND)
async def test_a_server_that_does_not_take_an_address_beyond_ascii_is_not_asked_again(
    offices: Opener, address: str
) -> None:
    async with MailServer() as server:
        office = offices(server, None, tls="none")
        office.mailer.post(await office.mailer.open(), lambda: write(address), office.told.append)
        error = await office.told_one()
        assert error is not None
        assert (error.permanent, str(error)) == (True, "the mail server takes no addresses beyond ASCII (SMTPUTF8)")
        assert (server.letters, server.connections) == ([], 1)


async def test_a_server_that_offers_no_encryption_gets_nothing(authority: Authority, offices: Opener) -> None:
    async with MailServer() as server:
        with pytest.raises(MailError, match="cannot be used"):
            await offices(server, authority).mailer.open()
        assert server.letters == []


async def test_a_server_that_does_not_prove_itself_gets_nothing(
    authority: Authority, offices: Opener, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    for context in (other.server("127.0.0.1"), authority.server("mail.elsewhere.example")):
        async with MailServer(context=context, login=True) as server:
            with pytest.raises(MailError):
                await offices(server, authority, **LOGIN).mailer.open()
            assert (server.logins, server.letters) == ([], [])


async def test_a_login_that_is_refused_is_told_without_the_password(authority: Authority, offices: Opener) -> None:
    async with MailServer(context=authority.server("127.0.0.1"), login=True) as server:
        office = offices(server, authority, username=USER, password=Secret("another-password"))
        with pytest.raises(MailError, match=r"refuses the login \(535\)") as caught:
            await office.mailer.open()
        assert "another-password" not in str(caught.value)


async def test_a_server_that_is_gone_is_noticed_at_once(offices: Opener) -> None:
    server = MailServer()
    with pytest.raises(MailError, match="cannot be used"):
        await offices(server, None, tls="none").mailer.open()


async def test_a_server_that_says_nothing_is_given_up_in_time(offices: Opener) -> None:
    async def listen_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(listen_only, "127.0.0.1", 0)
    async with silent:
        server = MailServer()
        server.port = silent.sockets[0].getsockname()[1]
        office = offices(server, None, tls="none", timeout=0.05)
        for _ in range(LINES + 1):  # none of the lines is lost
            with pytest.raises(MailError, match="in time"):
                await office.mailer.open()


async def test_a_server_that_looks_at_a_letter_for_a_while_gets_it_once(offices: Opener) -> None:
    async with MailServer() as server:
        office = offices(server, None, tls="none", timeout=0.2)
        server.looked_at.clear()
        await office.send()
        await server.letter_to(ADDRESS)
        await asyncio.sleep(0.3)  # longer than a connection may take
        assert (office.told, office.clock.sleepers) == ([], 0)
        server.looked_at.set()
        assert await office.told_one() is None
        assert (len(server.letters), server.connections) == (1, 1)


async def test_at_the_end_of_the_process_a_letter_under_way_is_waited_for(offices: Opener) -> None:
    async with MailServer() as server:
        office = offices(server, None, tls="none")
        server.looked_at.clear()
        await office.send()
        await server.letter_to(ADDRESS)
        closing = asyncio.create_task(office.runtime.close())
        await office.runtime.closing.wait()
        server.looked_at.set()
        await closing
        assert office.told == [None]


async def test_at_the_end_of_the_process_what_waits_for_another_try_has_its_last_one(offices: Opener) -> None:
    async with MailServer(answers="451 later") as server:
        office = offices(server, None, tls="none")
        await office.send()
        await until(lambda: office.clock.sleepers)
        await office.runtime.close()
        assert office.told == [None]
        assert len(server.letters) == 1


async def test_at_the_end_of_the_process_nothing_is_tried_again_and_again(offices: Opener) -> None:
    async with MailServer(answers="|".join(["451 later"] * 9)) as server:
        office = offices(server, None, tls="none")
        await office.send()
        await until(lambda: office.clock.sleepers)
        await office.runtime.close()
        assert [str(error) for error in office.told] == ["the mail server answers 451"]
        assert len(server.answers) == 9 - 2


async def test_a_letter_that_the_end_of_the_process_cuts_off_is_told(
    offices: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "LANDING", 0.01)
    async with MailServer() as server:
        office = offices(server, None, tls="none")
        server.looked_at.clear()
        await office.send()
        await server.letter_to(ADDRESS)
        office.mailer.post(await office.mailer.open(), None, office.told.append)
        await office.runtime.close()
        assert [str(error) for error in office.told] == [
            "the process ended before the mail server had taken the letter"
        ]
        server.looked_at.set()


async def test_what_the_server_puts_off_is_tried_again(authority: Authority, offices: Opener) -> None:
    async with MailServer(answers="451 later|421 later still") as server:
        office = offices(server, None, tls="none")
        await office.send()
        for wait in WAITS[:2]:
            await until(lambda: office.clock.sleepers)
            await office.clock.advance(seconds=wait)
        assert await office.told_one() is None
        assert len(server.letters) == 1


async def test_what_is_put_off_again_and_again_is_given_up(offices: Opener) -> None:
    async with MailServer(answers="|".join(["451 ann@mail.example is away"] * 9)) as server:
        office = offices(server, None, tls="none")
        await office.send()
        for wait in WAITS:
            await until(lambda: office.clock.sleepers)
            await office.clock.advance(seconds=wait)
        error = await office.told_one()
        assert str(error) == "the mail server answers 451"
        assert len(server.answers) == 9 - 1 - len(WAITS)


async def test_what_the_server_refuses_for_good_is_not_tried_again(offices: Opener) -> None:
    async with MailServer(answers="554 no") as server:
        office = offices(server, None, tls="none")
        await office.send()
        error = await office.told_one()
        assert error is not None
        assert (error.permanent, str(error), office.clock.sleepers) == (True, "the mail server answers 554", 0)


async def test_a_letter_that_cannot_be_written_is_told_and_the_line_hung_up(offices: Opener) -> None:
    def fail() -> EmailMessage:
        raise ValueError("this is no address")

    async with MailServer() as server:
        office = offices(server, None, tls="none")
        for _ in range(LINES + 1):
            office.told.clear()
            office.mailer.post(await office.mailer.open(), fail, office.told.append)
            error = await office.told_one()
            assert (str(error), error is not None and error.permanent) == ("this is no address", True)
        assert server.letters == []


async def test_a_line_that_is_not_needed_is_hung_up_and_nobody_is_told(offices: Opener) -> None:
    async with MailServer() as server:
        office = offices(server, None, tls="none")
        for _ in range(3 * LINES):
            office.mailer.post(await office.mailer.open(), None, office.told.append)
        await until(lambda: office.runtime.tasks == 0)
        assert (office.told, server.letters, server.connections) == ([], [], 3 * LINES)


async def test_what_is_not_to_be_sent_takes_the_same_and_sends_nothing(
    offices: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[EmailMessage] = []
    commands: list[str] = []
    execute = aiosmtplib.SMTP.execute_command

    async def watched(self: aiosmtplib.SMTP, *words: bytes, **options: Any) -> aiosmtplib.SMTPResponse:
        commands.append(words[0].decode())
        return await execute(self, *words, **options)

    def count() -> EmailMessage:
        written.append(write())
        return written[-1]

    monkeypatch.setattr(aiosmtplib.SMTP, "execute_command", watched)
    async with MailServer() as server:
        office = offices(server, None, tls="none")
        office.mailer.post(await office.mailer.open(), count, office.told.append, sends=False)
        await until(lambda: office.runtime.tasks == 0)
        assert (len(written), office.told, server.letters, server.connections) == (1, [], [], 1)
        assert commands == ["EHLO"] + ["NOOP"] * COMMANDS + ["QUIT"]


async def test_no_more_letters_are_under_way_than_memory_is_meant_for(offices: Opener) -> None:
    async with MailServer() as server:
        office = offices(server, None, tls="none")
        office.mailer._letters = QUEUE
        await office.send()
        assert str(await office.told_one()) == "too many letters are under way"
        assert office.mailer._letters == QUEUE + 1
        await until(lambda: office.mailer._letters == QUEUE)
        assert server.letters == []


async def test_hanging_up_twice_frees_one_line() -> None:
    freed: list[int] = []

    class Client:
        async def quit(self, **options: float) -> None:
            raise OSError("gone")

        def close(self) -> None:
            freed.append(0)

    line = Line(Client(), lambda: freed.append(1))  # type: ignore[arg-type]  # as much of it as is used
    await line.close()
    await line.close()
    assert freed == [1, 0]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"tls": "none"}, "readable to another machine"),
        ({"username": "a"}, "go together"),
        ({"password": Secret("a")}, "go together"),
        ({"timeout": "5s"}, "less than or equal"),
        ({"host": "a b"}, "host"),
        ({"from": "nobody"}, "a sender is an address"),
    ],
)
def test_settings_that_would_not_do_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        MailSettings.model_validate({"host": "mail.example", "from": "a@mail.example"} | settings)


@pytest.mark.parametrize("settings", [{"host": "localhost"}, {"host": "::1"}, {"allow_plain": True}])
def test_without_encryption_goes_what_stays_here_or_is_allowed(settings: dict[str, Any]) -> None:
    made = MailSettings.model_validate({"host": "mail.example", "from": "a@x.example", "tls": "none"} | settings)
    assert made.tls == "none"
