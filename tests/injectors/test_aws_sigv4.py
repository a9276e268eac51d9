"""Requests signed for AWS; the signature itself is held against botocore in `tests/core/test_sigv4.py`, too."""

from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from multidict import CIMultiDict
from pydantic import TypeAdapter, ValidationError

from proxy.core.message import NOTHING
from proxy.core.moment import Moment
from proxy.core.tailored import Prepared, RequestSigner, UnfitError
from proxy.injectors.aws_sigv4 import AwsSigv4, AwsSigv4Settings
from proxy.injectors.base import InjectError
from tests.compliance.injectors import EMPTY, NOW, SigningCompliance, prepared_of, token_of

S3: Final[dict[str, Any]] = {"region": "eu-central-1", "service": "s3", "access_key_id": "AKID"}
API: Final[dict[str, Any]] = {**S3, "service": "execute-api"}
TIMESTAMP: Final = datetime.fromtimestamp(NOW, UTC).strftime("%Y%m%dT%H%M%SZ")
CHUNKS: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class TestAwsSigv4(SigningCompliance):
    word: ClassVar[str] = "aws_sigv4"
    settings: ClassVar[dict[str, Any]] = API
    templated: ClassVar[str] = "access_key_id"


class TestAwsSigv4OfS3(SigningCompliance):
    word: ClassVar[str] = "aws_sigv4"
    settings: ClassVar[dict[str, Any]] = {**S3, "session_token": "a-session+token/=="}
    templated: ClassVar[str] = "secret_access_key"


class TestAwsSigv4InTheQuery(SigningCompliance):
    word: ClassVar[str] = "aws_sigv4"
    settings: ClassVar[dict[str, Any]] = {**API, "place": "query", "session_token": "t"}
    templated: ClassVar[str] = "session_token"


def signer(token: str = "secret", *, with_: dict[str, str] | None = None, **settings: Any) -> RequestSigner:
    record = TypeAdapter(AwsSigv4Settings).validate_python({"kind": "aws_sigv4", **settings})
    tailored = AwsSigv4(record).inject(NOTHING, token_of(token, **(with_ or {}))).tailored
    assert tailored is not None
    return tailored.signers[0]


def oracle(prepared: Prepared, *, kind: Any, service: str, session: str | None = None) -> AWSRequest:
    """Return the request as botocore signs it."""
    request = AWSRequest(method=prepared.method, url=prepared.url, data=prepared.body)
    for name, value in prepared.lines:
        if name != b"host":
            request.headers.add_header(name.decode(), value.decode())
    request.context["payload_signing_enabled"] = True
    kind(Credentials("AKID", "secret", session), service, "eu-central-1").add_auth(request)
    return request


@pytest.fixture
def _at_our_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime.fromtimestamp(NOW, UTC)
    monkeypatch.setattr(auth, "get_current_datetime", lambda: at)


@pytest.mark.usefixtures("_at_our_moment")
@pytest.mark.parametrize("session", [None, "a/session+token=="])
@pytest.mark.parametrize(("service", "kind"), [("execute-api", auth.SigV4Auth), ("s3", auth.S3SigV4Auth)])
def test_the_headers_are_those_of_botocore(service: str, kind: Any, session: str | None) -> None:
    prepared = prepared_of(query="b=2&a=%20")
    wanted = oracle(prepared, kind=kind, service=service, session=session).headers
    lines = signer(**{**S3, "service": service, "session_token": session}).sign(prepared).lines.decode()
    sent = dict(line.split(": ", 1) for line in lines.split("\r\n")[:-1])
    assert sent == {name: wanted[name] for name in sent}
    assert {"Authorization", "X-Amz-Date"} <= sent.keys()
    assert ("X-Amz-Security-Token" in sent) is (session is not None)


@pytest.mark.usefixtures("_at_our_moment")
@pytest.mark.parametrize("session", [None, "a/session+token=="])
@pytest.mark.parametrize(("service", "kind"), [("execute-api", auth.SigV4QueryAuth), ("s3", auth.S3SigV4QueryAuth)])
def test_a_signature_in_the_query_is_that_of_botocore(service: str, kind: Any, session: str | None) -> None:
    prepared = prepared_of(query="b=2", lines=((b"host", b"api.example"), (b"x-amz-meta-a", b"1")))
    wanted = oracle(prepared, kind=lambda *a: kind(*a, expires=300), service=service, session=session).url
    settings: dict[str, Any] = {**S3, "service": service, "session_token": session, "place": "query"}
    query = signer(**settings).sign(prepared).query.decode()
    assert query.split("X-Amz-Signature=")[1] == wanted.split("X-Amz-Signature=")[1]
    assert sorted(f"b=2&{query}".split("&")) == sorted(wanted.partition("?")[2].split("&"))


@pytest.mark.parametrize(
    ("settings", "request_", "wanted"),
    [
        (API, {"streams": False, "is_tls": True}, {"sha256"}),
        (API, {"streams": True, "is_tls": True}, {"sha256"}),
        ({**API, "payload": "unsigned"}, {"streams": True, "is_tls": True}, set()),
        (S3, {"streams": False, "is_tls": True}, {"sha256"}),
        (S3, {"streams": True, "is_tls": True}, set()),
        (S3, {"streams": True, "is_tls": False}, {"sha256"}),
        ({**S3, "payload": "signed"}, {"streams": True, "is_tls": True}, {"sha256"}),
        ({**S3, "place": "query"}, {"streams": False, "is_tls": True}, set()),
    ],
)
def test_the_body_is_signed_unless_it_streams_where_that_need_not_be(
    settings: dict[str, Any], request_: dict[str, bool], wanted: set[str]
) -> None:
    assert signer(**settings).wants({}, **request_) == wanted


def test_what_is_not_signed_says_so() -> None:
    lines = signer(**S3).sign(prepared_of(digests={}, body=None)).lines
    assert b"X-Amz-Content-SHA256: UNSIGNED-PAYLOAD\r\n" in lines
    lines = signer(**API, payload="unsigned").sign(prepared_of()).lines
    assert b"X-Amz-Content-SHA256: UNSIGNED-PAYLOAD\r\n" in lines


def test_unsigned_chunks_of_a_client_of_s3_go_on_as_such() -> None:
    given = CIMultiDict({"x-amz-content-sha256": CHUNKS})
    assert signer(**S3).wants(given, streams=True, is_tls=True) == frozenset()
    assert f"X-Amz-Content-SHA256: {CHUNKS}".encode() in signer(**S3).sign(prepared_of(given=given)).lines


def test_chunks_that_the_caller_signed_itself_are_refused() -> None:
    given = CIMultiDict({"X-Amz-Content-SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"})
    with pytest.raises(UnfitError, match="have the client send it whole"):
        signer(**S3).sign(prepared_of(given=given))


def test_no_caller_switches_the_signing_of_bodies_off() -> None:
    given = CIMultiDict({"X-Amz-Content-SHA256": CHUNKS})
    one = signer(**S3, payload="signed")
    assert one.wants(given, streams=True, is_tls=True) == {"sha256"}
    assert signer(**S3).wants(given, streams=True, is_tls=False) == {"sha256"}
    with pytest.raises(UnfitError, match="though this route signs bodies"):
        one.sign(prepared_of(given=given))


def test_temporary_keys_come_with_the_token() -> None:
    settings: dict[str, Any] = {**API, "access_key_id": "{{ AccessKeyId }}", "session_token": "{{ SessionToken }}"}
    lines = signer(with_={"AccessKeyId": "ASIA1", "SessionToken": "the-session"}, **settings).sign(prepared_of()).lines
    assert b"X-Amz-Security-Token: the-session\r\n" in lines
    assert f"Credential=ASIA1/{TIMESTAMP[:8]}/eu-central-1/execute-api/aws4_request".encode() in lines


def test_the_key_changes_with_the_day() -> None:
    one = signer(**API)
    tomorrow = prepared_of(moment=Moment(NOW + 86_400, ""))
    today = one.sign(prepared_of())
    assert one.sign(tomorrow) == signer(**API).sign(tomorrow)
    assert one.sign(prepared_of()) == today


def test_the_callers_own_signature_is_dropped_wherever_it_stands() -> None:
    injection = AwsSigv4(AwsSigv4Settings.model_validate({"kind": "aws_sigv4", **API})).inject(NOTHING, token_of("s"))
    assert injection.replaces == {b"authorization", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256"}
    assert {b"X-Amz-Signature", b"X-Amz-Credential", b"X-Amz-Algorithm"} <= injection.query_names


@pytest.mark.parametrize("key", ["a b", "a\r\nb", "é"])
def test_a_key_that_is_none_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(InjectError, match="keys and session tokens") as caught:
        signer(key, **API)
    assert key not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"region": "eu/central"}, {"service": ""}, {"payload": "maybe"}])
def test_what_cannot_be_a_scope_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        signer(**{**S3, **wrong})


def test_an_empty_body_has_the_hash_of_nothing() -> None:
    assert f"X-Amz-Content-SHA256: {EMPTY.hex()}".encode() in signer(**S3).sign(prepared_of()).lines
