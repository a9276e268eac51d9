"""An operation knows what its path names, and whether it changes anything."""

from proxy.admin.operation import Operation, Parameters
from proxy.admin.operations import OPERATIONS
from proxy.admin.users import SecretParameters, TokenOrder


def named(name: str) -> Operation:
    (operation,) = [operation for operation in OPERATIONS if operation.name == name]
    return operation


def test_what_stands_in_braces_in_the_path_is_named_in_order() -> None:
    assert named("getStatus").names == ()
    assert named("getCredential").names == ("name",)
    assert named("putUserToken").names == ("id", "credential")


def test_whatever_does_not_only_look_is_an_order() -> None:
    assert {operation.method for operation in OPERATIONS if not operation.is_order} == {"GET"}
    assert named("deleteUser").is_order


def test_what_is_secret_is_not_noted() -> None:
    assert TokenOrder(value="planted").noted == {}
    assert isinstance(TokenOrder(value="planted"), SecretParameters)
    assert Parameters().noted == {}
