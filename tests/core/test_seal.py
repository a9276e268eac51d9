"""What is sealed opens with a key that is known, in its own place, whole, and not otherwise."""

import base64
import itertools
import os
import traceback

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from proxy.core.seal import Seal, SealError, SealSettings, UnknownKeyError, is_same_line, new_key
from proxy.core.secret import Secret

OLD, NEW, OTHER = (Secret(new_key()) for _ in range(3))
PLAIN = b"a refresh token"
CONTEXT = b"its place"
YESTERDAY = "011a5029d0162671e8239b8151e35951212c52028754ca398368bcc594946d3c63fa4ac039de0da3e936c05eed452f678d1b42b6"

keys = st.binary(min_size=32, max_size=32).map(lambda root: Secret(base64.b64encode(root).decode()))


@given(st.lists(keys, min_size=1, max_size=3), st.binary(), st.binary())
def test_what_was_closed_opens_in_the_same_context(configured: list[Secret], plain: bytes, context: bytes) -> None:
    seal = Seal(configured)
    sealed = seal.close(plain, context)
    assert seal.open(sealed, context) == plain
    assert seal.is_current(sealed)


@given(st.binary(), st.binary(), st.binary())
def test_it_opens_in_no_other_context(plain: bytes, context: bytes, other: bytes) -> None:
    seal = Seal([NEW])
    sealed = seal.close(plain, context)
    if other == context:
        assert seal.open(sealed, other) == plain
    else:
        with pytest.raises(SealError, match="damaged, or was sealed for another place"):
            seal.open(sealed, other)


def test_what_was_sealed_does_not_show_what_it_holds_nor_twice_the_same() -> None:
    seal = Seal([NEW])
    sealed = [seal.close(PLAIN, CONTEXT) for _ in range(100)]
    assert len(set(sealed)) == 100
    assert len({one[9:21] for one in sealed}) == 100, "a nonce came twice"
    assert not any(PLAIN in one or CONTEXT in one for one in sealed)


def test_no_bit_can_be_turned_unnoticed() -> None:
    seal = Seal([NEW, OLD])
    sealed = seal.close(PLAIN, CONTEXT)
    for index, bit in itertools.product(range(len(sealed)), range(8)):
        damaged = bytearray(sealed)
        damaged[index] ^= 1 << bit
        with pytest.raises(SealError):
            seal.open(bytes(damaged), CONTEXT)


def test_nothing_can_be_cut_off_or_added_unnoticed() -> None:
    seal = Seal([NEW])
    sealed = seal.close(PLAIN, CONTEXT)
    for damaged in (*(sealed[:end] for end in range(len(sealed))), sealed + b"\0", b"\0" + sealed, sealed[1:]):
        with pytest.raises(SealError):
            seal.open(damaged, CONTEXT)


@given(st.binary(max_size=64))
def test_what_was_never_sealed_is_refused_and_nothing_else_happens(rubbish: bytes) -> None:
    with pytest.raises(SealError):
        Seal([NEW]).open(rubbish, CONTEXT)


def test_the_key_that_is_named_in_the_clear_cannot_be_changed_for_another_of_ours() -> None:
    seal = Seal([NEW, OLD])
    by_new, by_old = seal.close(PLAIN, CONTEXT), Seal([OLD]).close(PLAIN, CONTEXT)
    for head, tail in ((by_new, by_old), (by_old, by_new)):
        with pytest.raises(SealError, match="damaged"):
            seal.open(head[:9] + tail[9:], CONTEXT)


def test_any_key_opens_and_the_first_one_seals() -> None:
    before = Seal([OLD]).close(PLAIN, CONTEXT)
    rotating = Seal([NEW, OLD])
    assert rotating.open(before, CONTEXT) == PLAIN
    assert not rotating.is_current(before)
    after = rotating.close(PLAIN, CONTEXT)
    assert rotating.is_current(after)
    assert Seal([NEW]).open(after, CONTEXT) == PLAIN
    assert Seal([OLD, NEW]).open(after, CONTEXT) == PLAIN
    assert not Seal([OLD, NEW]).is_current(after)


def test_a_key_that_is_not_ours_is_told_from_damage() -> None:
    sealed = Seal([OLD]).close(PLAIN, CONTEXT)
    with pytest.raises(UnknownKeyError, match="a key that is not configured"):
        Seal([NEW, OTHER]).open(sealed, CONTEXT)
    with pytest.raises(SealError) as damaged:
        Seal([OLD]).open(sealed[:-1], CONTEXT)
    assert not isinstance(damaged.value, UnknownKeyError)


def test_the_format_is_the_one_that_is_written_down() -> None:
    """Version, key id, nonce, then AES-256-GCM over the text, bound to version, key id and context."""
    root = base64.b64decode(NEW.reveal())

    def derived(purpose: str, length: int) -> bytes:
        return HKDFExpand(SHA256(), length, f"countersign seal: {purpose}".encode()).derive(root)

    head, nonce = b"\x01" + derived("key id", 8), os.urandom(12)
    sealed = head + nonce + AESGCM(derived("AES-256-GCM", 32)).encrypt(nonce, PLAIN, head + CONTEXT)
    assert Seal([NEW]).open(sealed, CONTEXT) == PLAIN
    assert len(Seal([NEW]).close(PLAIN, CONTEXT)) == len(sealed) == 1 + 8 + 12 + len(PLAIN) + 16


def test_what_was_sealed_yesterday_opens_tomorrow() -> None:
    """A text that an earlier build sealed: the format is a promise."""
    key = Secret(base64.b64encode(bytes(range(32))).decode())
    sealed = bytes.fromhex(YESTERDAY)
    assert Seal([key]).open(sealed, CONTEXT) == PLAIN


def test_derived_secrets_are_the_oldest_key_s_and_one_a_purpose() -> None:
    derived = Seal([OLD]).derive("identity")
    assert len(derived) == 32
    assert Seal([NEW, OLD]).derive("identity") == Seal([OTHER, NEW, OLD]).derive("identity") == derived
    assert Seal([OLD, NEW]).derive("identity") != derived
    assert Seal([OLD]).derive("identities") != derived
    assert derived not in base64.b64decode(OLD.reveal())


def test_a_key_that_replaces_another_derives_the_same_even_alone() -> None:
    derived = Seal([OLD]).derive("identity")
    second = Secret(new_key(after=OLD))
    third = Secret(new_key(after=second))
    for line in ([second, OLD], [OLD, second], [second], [third, second], [third], [NEW, third]):
        assert Seal(line).derive("identity") == derived
    assert is_same_line(OLD, third)
    assert is_same_line(third, second)
    assert not is_same_line(NEW, OLD)
    with pytest.raises(ValueError, match="`countersign keygen`"):
        new_key(after=Secret("nonsense"))


def test_a_key_that_replaces_another_does_not_open_what_that_one_sealed() -> None:
    second = Secret(new_key(after=OLD))
    with pytest.raises(UnknownKeyError):
        Seal([second]).open(Seal([OLD]).close(PLAIN, CONTEXT), CONTEXT)
    with pytest.raises(UnknownKeyError):
        Seal([OLD]).open(Seal([second]).close(PLAIN, CONTEXT), CONTEXT)
    one, other = (base64.b64decode(key.reveal()) for key in (OLD, second))
    assert one not in other


def test_a_process_has_a_key_of_its_own() -> None:
    one, other = Seal.of_this_process(), Seal.of_this_process()
    assert one.derive("identity") != other.derive("identity")
    with pytest.raises(UnknownKeyError):
        other.open(one.close(PLAIN, CONTEXT), CONTEXT)


def test_a_seal_shows_no_key() -> None:
    seal = Seal([NEW, OLD])
    assert repr(seal) == str(seal) == "<Seal, 2 keys>"


def test_a_seal_without_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="countersign keygen"):
        Seal([])


BAD_KEYS = (
    "",
    "correct horse battery staple",
    "0123456789abcdef" * 4,
    new_key()[:-1],
    new_key() + "\n",
    new_key().replace("=", ""),
    base64.b64encode(bytes(31)).decode(),
    base64.b64encode(bytes(33)).decode(),
    base64.b64encode(bytes(63)).decode(),
    base64.b64encode(bytes(65)).decode(),
    new_key() + new_key(),
    base64.b64encode(bytes(16)).decode(),
    "ä" * 44,
    "\udcff" * 44,
)


@pytest.mark.parametrize("text", BAD_KEYS, ids=itertools.count())
def test_what_is_no_key_is_refused_with_what_one_looks_like_and_is_not_repeated(text: str) -> None:
    for refuse in (lambda: Seal([NEW, Secret(text)]), lambda: SealSettings.model_validate({"keys": [text]})):
        with pytest.raises(ValueError, match="32 random bytes in base64, 44 characters on one line") as refused:
            refuse()
        told = "".join(traceback.format_exception(refused.value, chain=True))
        assert "`countersign keygen`" in told
        assert text not in told.replace("\n", "") or not text.strip("=")


def test_settings_take_keys_newest_first_and_say_which_one_is_none() -> None:
    settings = SealSettings.model_validate({"keys": [NEW.reveal(), OLD.reveal()]})
    assert settings.keys == (NEW, OLD)
    assert NEW.reveal() not in f"{settings!r}{settings.model_dump_json()}"
    assert SealSettings().keys == ()
    with pytest.raises(ValidationError) as refused:
        SealSettings.model_validate({"keys": [NEW.reveal(), "nonsense", OLD.reveal()]})
    assert [error["loc"] for error in refused.value.errors()] == [("keys", 1)]


def test_a_new_key_is_a_key_and_never_the_same() -> None:
    made = {new_key() for _ in range(100)}
    assert len(made) == 100
    assert len(SealSettings.model_validate({"keys": list(made)}).keys) == 100


@pytest.mark.parametrize("number", [2, 15])
def test_what_a_newer_version_sealed_is_not_called_damaged(number: int) -> None:
    seal = Seal.of_this_process()
    later = bytes([number]) + seal.close(b"planted", b"here")[1:]
    with pytest.raises(UnknownKeyError, match="newer"):
        seal.open(later, b"here")


@pytest.mark.parametrize("sealed", [b"", b"\x00", b"\x10garbage", b"plain text"])
def test_what_was_never_sealed_is_called_so(sealed: bytes) -> None:
    with pytest.raises(SealError, match="not sealed") as caught:
        Seal.of_this_process().open(sealed, b"here")
    assert not isinstance(caught.value, UnknownKeyError)
