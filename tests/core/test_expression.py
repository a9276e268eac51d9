"""What may stand between the braces of a template."""

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.core.expression import RESERVED, UndefinedVariableError, VariableName, read
from proxy.core.moment import Moment
from proxy.core.secret import Secret

VALUES = {"A": "a", "B": "b", "KEY": "Jefe", "json": "variable", "now_1": "later"}
MOMENT = Moment(1_800_000_000.25, "0b7c1d2e-0000-4000-8000-000000000000")


def value(text: str) -> str:
    expression, at = read(f"{text}}}}} and more", 0)
    assert at == len(text) + 2
    return expression.value(VALUES, MOMENT)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("A", "a"),
        (" A ", "a"),
        ("A|upper", "A"),
        ("A + B", "ab"),
        ("A+':'+B | base64", "YTpi"),
        ('"x" + A', "xa"),
        ("'}}' + \"|\" + A", "}}|a"),
        ("A + B | upper | lower | upper", "AB"),
        ("'what do ya want for nothing?' | hmac_sha256(KEY) | base64", "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="),
        ("'' | hmac_sha256('')", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
        ("json | json", '"variable"'),
        ("now_1", "later"),
        ("timestamp", "1800000000"),
        ("uuid | upper", "0B7C1D2E-0000-4000-8000-000000000000"),
        ("now( iso8601 )", "2027-01-15T08:00:00Z"),
        ("now('%d.%m.')", "15.01."),
        ('now("%H\'%M")', "08'00"),
        ("timestamp + uuid", "18000000000b7c1d2e-0000-4000-8000-000000000000"),
        ("A\n  | upper\n", "A"),
    ],
)
def test_sources_are_joined_and_then_filtered(text: str, made: str) -> None:
    assert value(text) == made


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"write \{\{ NAME \}\}"),
        ("A B", r"write \{\{ NAME \}\}"),
        ("| upper", r"write \{\{ NAME \}\}"),
        ("A +", r"write \{\{ NAME \}\}"),
        ("'A", r"write \{\{ NAME \}\}"),
        ("A.b", r"write \{\{ NAME \}\}"),
        ("__import__('os')", "only now takes something in parentheses here, __import__ does not$"),
        ("sha256(A)", r"sha256 does not; write \{\{ NAME \| sha256 \}\}"),
        ("uuid()", "only now takes something in parentheses"),
        ("A | rot13", "unknown filter rot13; there are base64, base64url, urlencode, json, upper, lower, sha256"),
        ("A | 'x'", "unknown filter; there are"),
        ("A | upper(B)", "the filter upper takes no argument; write upper alone"),
        ("A | hmac_sha256", r"needs an argument; write hmac_sha256\(KEY\), where KEY is a variable"),
        ("A | hmac_sha256()", r"write \{\{ NAME \}\}"),
        ("A | hmac_sha256(A B)", "takes one thing in parentheses"),
        ("A | hmac_sha256(KEY", "takes one thing in parentheses"),
        ("now", r"now needs a format, such as now\(iso8601\): iso8601, iso8601_ms"),
        ("now()", "now takes one of iso8601"),
        ("now(tomorrow)", 'now takes one of iso8601, .* or a quoted format such as "%Y-%m-%d"'),
        ("now('%Q')", "knows no %Q; it knows %Y"),
        ("now(date date)", "now takes one thing in parentheses"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(f"{text}}}}}", 0)


def test_an_argument_is_a_name_like_any_other() -> None:
    expression, _ = read("A | hmac_sha256(KEY) }}", 0)
    assert expression.names == {"A", "KEY"}
    with pytest.raises(UndefinedVariableError, match="the variable KEY is not defined"):
        expression.value({"A": "a"}, MOMENT)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("A", "{{ A }}"),
        (" A+'x'|md5|hmac_sha256( KEY )", '{{ A + "x" | md5 | hmac_sha256(KEY) }}'),
        ("now('%Y')+now(date)+uuid", '{{ now("%Y") + now(date) + uuid }}'),
        ("'\"'", "{{ '\"' }}"),
    ],
)
def test_it_has_one_canonical_spelling(text: str, source: str) -> None:
    assert read(f"{text}}}}}", 0)[0].source == source


def test_secrets_are_revealed_into_their_places() -> None:
    assert read("A + B }}", 0)[0].value({"A": Secret("a"), "B": "b"}, None) == "ab"


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_no_variable_may_be_named_as_a_function_is(name: str) -> None:
    with pytest.raises(ValidationError, match=f"give the variable another name, such as my_{name}"):
        TypeAdapter(VariableName).validate_python(name)
    assert TypeAdapter(VariableName).validate_python(name.upper()) == name.upper()
