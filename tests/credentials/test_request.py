"""Requests for tokens: written as settings, filled in at each call."""

import hmac
import json
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest
from pydantic import ValidationError

from proxy.core.errors import Reason
from proxy.core.moment import Moment
from proxy.core.secret import Secret, scrub
from proxy.core.symptom import TokenRequestError
from proxy.core.template import UndefinedVariableError
from proxy.credentials.request import RequestSettings
from proxy.net.endpoint import EndpointRequest
from proxy.net.tls import TlsSettings
from tests.fakes import keys

URL = "https://auth.example/token"
VARIABLES = {"ID": Secret("my id&=é"), "EMPTY": Secret("")}


def settings(**given: Any) -> RequestSettings:
    return RequestSettings.model_validate({"url": URL, **given})


def built(**given: Any) -> EndpointRequest:
    return settings(**given).build(VARIABLES)


def test_a_bare_url_is_a_post_without_a_body() -> None:
    assert built() == EndpointRequest("POST", URL)


def test_query_parameters_are_appended_and_percent_encoded() -> None:
    assert built(url=f"{URL}?a=%2f", query={"b c": "{{ ID }}", "d": "x y+z"}).url == (
        f"{URL}?a=%2f&b%20c=my%20id%26%3D%C3%A9&d=x%20y%2Bz"
    )
    assert built(query={"b": "c"}).url == f"{URL}?b=c"


def test_a_value_in_the_address_cannot_change_its_structure() -> None:
    assert built(url="https://auth.example/%%ID%%/token?id={{ ID }}").url == (
        "https://auth.example/my%20id%26%3D%C3%A9/token?id=my%20id%26%3D%C3%A9"
    )


@pytest.mark.parametrize("dots", [".", ".."])
@pytest.mark.parametrize("path", ["users/{{ DOTS }}/token", "{{ DOTS }}", "{{ EMPTY }}{{ DOTS }}?a=b"])
def test_a_value_in_the_address_cannot_lead_out_of_its_path(path: str, dots: str) -> None:
    request = settings(url=f"https://auth.example/{path}")
    with pytest.raises(TokenRequestError, match="leads out of it"):
        request.build({"DOTS": Secret(dots), "EMPTY": Secret("")})
    assert request.build({"DOTS": Secret(f"{dots}x"), "EMPTY": Secret("")}).url.startswith("https://auth.example/")


def test_a_path_may_be_written_with_dots() -> None:
    assert built(url="https://auth.example/a/../token").url == "https://auth.example/a/../token"


def test_a_form_is_encoded_as_browsers_do() -> None:
    request = built(form={"client id": "{{ ID }}", "grant_type": "a b"})
    assert request.body == b"client+id=my+id%26%3D%C3%A9&grant_type=a+b"
    assert request.headers == (("Content-Type", "application/x-www-form-urlencoded"),)


def test_json_keeps_its_types_and_escapes_what_is_filled_in() -> None:
    request = built(json={"id": "{{ ID }}", "n": 1, "deep": [True, None, {"q": '"%%ID%%"'}]})
    assert json.loads(request.body) == {"id": "my id&=é", "n": 1, "deep": [True, None, {"q": '"my id&=é"'}]}
    assert request.headers == (("Content-Type", "application/json"),)


def test_a_raw_body_is_sent_as_it_stands_in_utf_8() -> None:
    request = built(body="<id>{{ ID }}</id>", headers={"Content-Type": "text/xml"})
    assert request.body == "<id>my id&=é</id>".encode()
    assert request.headers == (("Content-Type", "text/xml"),)


def test_a_content_type_of_one_s_own_wins() -> None:
    headers = {"content-type": "application/vnd.api+json"}
    assert built(json={}, headers=headers).headers == (("content-type", "application/vnd.api+json"),)


@pytest.mark.parametrize("rows", [{"": ""}, {"": "x"}, {"x": ""}, {"x": "{{ EMPTY }}"}])
def test_empty_rows_are_left_out(rows: dict[str, str]) -> None:
    request = built(query=rows, headers=rows, form={**rows, "kept": "1"})
    assert request.url == URL
    assert request.headers == (("Content-Type", "application/x-www-form-urlencoded"),)
    assert parse_qsl(request.body.decode()) == [("kept", "1")]


@pytest.mark.parametrize("method", ["GET", "post", "PROPFIND", "M-SEARCH"])
def test_any_method_may_be_used(method: str) -> None:
    assert built(method=method).method == method.upper()


@pytest.mark.parametrize("method", ["", "G T", "GET\r\n", "CONNECT", "connect"])
def test_what_is_no_method_is_refused(method: str) -> None:
    with pytest.raises(ValidationError, match="a method is a word"):
        settings(method=method)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "whole address"),
        ("auth.example/token", "whole address"),
        ("ftp://auth.example/", "whole address"),
        ("https:///token", "whole address"),
        ("https://-a/", "whole address"),
        ("https://auth.example:/", "whole address"),
        ("https://bücher.example/", "whole address"),
        ("https://auth.example:99999/", "malformed"),
        ("https://[::1/", "malformed"),
        ("https://me:s3cret@auth.example/", "no user or password"),
        ("https://auth.example/#a", "percent-encode"),
        ("https://auth.example/a b", "percent-encode"),
        ("https://auth.example/a\n", "percent-encode"),
        ("https://auth.example/ü", "percent-encode"),
        ("https://{{ ID }}/", "path and the query"),
        ("https://{{ ID }}.example/", "path and the query"),
        ("https://auth.example:{{ ID }}/", "malformed"),
        ("{{ ID }}", "whole address"),
        ("https://auth.example/{{", "write {{ NAME }}"),
    ],
)
def test_what_is_no_address_is_refused_and_not_shown(url: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(url=url)
    assert message in caught.value.errors()[0]["msg"]
    assert "s3cret" not in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "url", ["https://[::1]:8443/t", "http://127.0.0.1/", "https://a.example", "HTTPS://A.example./"]
)
def test_an_address_may_be_any_host(url: str) -> None:
    assert built(url=url).url == url


def test_plain_http_is_known() -> None:
    assert settings(url="http://auth.example/{{ ID }}").is_plain_http
    assert not settings().is_plain_http


def test_its_tls_goes_with_it_and_is_no_use_without_https() -> None:
    assert built(tls={"server_name": "sts.example"}).tls == TlsSettings(server_name="sts.example")
    assert built().tls is None
    with pytest.raises(ValidationError, match="url is not https, so `tls` would change nothing"):
        settings(url="http://127.0.0.1/token", tls={})


@pytest.mark.parametrize("bodies", [{"form": {}, "json": {}}, {"form": {}, "body": ""}, {"json": [], "body": "x"}])
def test_a_request_has_one_body(bodies: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="one body"):
        settings(**bodies)


@pytest.mark.parametrize("name", ["Host", "Content-Length", "X Y", "X\r\n"])
def test_a_header_that_cannot_be_set_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        settings(headers={name: "x"})


@pytest.mark.parametrize("value", ["s3cret\r\nX: 1", "s3cret\x00", "s3cret€"])
def test_a_variable_that_would_split_a_header_is_never_sent(value: str) -> None:
    request = settings(headers={"X-Key": "{{ KEY }}"})
    with pytest.raises(TokenRequestError, match="a header of the request cannot be sent") as caught:
        request.build({"KEY": Secret(value)})
    assert caught.value.reason is Reason.INTERNAL
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("place", [{"url": URL + "/{{ KEY }}"}, {"form": {"k": "{{ KEY }}"}}, {"body": "{{ KEY }}"}])
def test_a_variable_that_is_no_text_is_never_sent(place: dict[str, Any]) -> None:
    with pytest.raises(TokenRequestError, match="UTF-8"):
        settings(**place).build({"KEY": Secret("s3cret\udc80")})


def test_every_variable_is_known_beforehand() -> None:
    request = settings(
        url=URL + "/{{ A }}", query={"q": "{{ B }}"}, headers={"X": "{{ C }}"}, json={"a": ["%%D%%", {"b": "{{ E }}"}]}
    )
    assert request.names == {"A", "B", "C", "D", "E"}
    assert settings(form={"f": "{{ F }}"}).names == {"F"}
    assert settings(body="{{ G }}").names == {"G"}


def test_nothing_secret_is_printed() -> None:
    request = settings(form={"client_secret": "s3cret"}, headers={"Authorization": "s3cret"}, url=f"{URL}?k=s3cret")
    assert "s3cret" not in f"{request!r} {request.model_dump_json()} {request.build({})!r}"


def test_filters_and_the_moment_stand_wherever_a_text_stands() -> None:
    moment = Moment(1_800_000_000.0, "0b7c1d2e-0000-4000-8000-000000000000")
    request = settings(
        url=f"{URL}/{{{{ ID | base64 }}}}",
        query={"at": "{{ now(iso8601) }}"},
        headers={"X-Nonce": "{{ uuid }}", "X-Signature": "{{ uuid + timestamp | hmac_sha256(ID) | base64 }}"},
        json={"user": ["{{ ID | upper }}"]},
    )
    assert request.names == {"ID"}
    signature = hmac.digest("my id&=é".encode(), f"{moment.uuid}1800000000".encode(), "sha256")
    sent = request.build(VARIABLES, moment)
    assert sent.url == f"{URL}/bXkgaWQmPcOp?at=2027-01-15T08%3A00%3A00Z"
    assert dict(sent.headers)["X-Nonce"] == moment.uuid
    assert dict(sent.headers)["X-Signature"] == b64encode(signature).decode()
    assert json.loads(sent.body) == {"user": ["MY ID&=É"]}


def test_in_an_address_the_outcome_of_the_filters_is_percent_encoded_and_not_what_goes_into_them() -> None:
    assert built(url=f"{URL}?id={{{{ ID | base64 }}}}&q={{{{ ID + '/' }}}}").url == (
        f"{URL}?id=bXkgaWQmPcOp&q=my%20id%26%3D%C3%A9%2F"
    )
    assert built(url=f"{URL}?id={{{{ ID | json }}}}").url == f"{URL}?id=%22my%20id%26%3D%5Cu00e9%22"


def test_what_filters_make_of_a_variable_is_scrubbed() -> None:
    variables = {"USER": Secret("the-user"), "PASSWORD": Secret("the-password")}
    sent = settings(headers={"Authorization": "Basic {{ USER + ':' + PASSWORD | base64 }}"}).build(variables)
    assert scrub(str(sent.headers)) == "(('Authorization', 'Basic ***'),)"


def test_a_variable_without_a_value_is_named() -> None:
    with pytest.raises(UndefinedVariableError, match="MISSING"):
        built(headers={"X": "{{ ID | hmac_sha256(MISSING) }}"})


def test_an_assertion_goes_where_the_request_says() -> None:
    assertion = {"key": keys.pem("p256"), "iss": "an-app"}
    signing = settings(headers={"Authorization": "Bearer {{ ASSERTION }}"}, assertion=assertion)
    assert signing.names == frozenset()
    [(_, value)] = signing.build({}, Moment.at(0.0)).headers
    claims = jwt.decode(value.removeprefix("Bearer "), options={"verify_signature": False})
    assert claims["iss"] == "an-app"


def test_an_assertion_that_goes_nowhere_is_a_mistake() -> None:
    assertion = {"key": keys.pem("p256"), "iss": "an-app"}
    with pytest.raises(ValidationError, match=r"is sent nowhere; write \{\{ ASSERTION \}\} where it goes"):
        settings(assertion=assertion)


def test_without_an_assertion_its_variable_is_one_like_any_other() -> None:
    assert settings(headers={"X": "{{ ASSERTION }}"}).names == {"ASSERTION"}


def test_who_asserts_is_a_part_of_what_is_sent_as_it_is_written() -> None:
    def written(sub: str) -> Secret:
        assertion = {"key": keys.pem("p256"), "iss": "an-app", "sub": sub}
        return settings(json={"jwt": "{{ ASSERTION }}"}, assertion=assertion).written

    assert written("ada") == written("ada") != written("bob")
    assert keys.pem("p256") not in written("ada").reveal()
