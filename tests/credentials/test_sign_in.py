"""What goes to and fro in a sign-in shows nothing secret, and a request learns who can do something about it."""

from proxy.core.secret import Secret
from proxy.credentials.sign_in import Departure, Errand, SignInError, login_required


def test_neither_state_nor_address_is_printed() -> None:
    departure = Departure("https://login.example/?state=st4te", {"verifier": Secret("v3rifier")})
    printed = f"{Errand('st4te', 'https://proxy.example/')!r} {departure!r}"
    assert "st4te" not in printed
    assert "v3rifier" not in printed


def test_an_error_has_a_sentence_for_the_person_and_another_for_operators() -> None:
    error = SignInError("wrong_issuer", "Not this one.", detail="the iss is another one")
    assert (str(error), error.reason, error.detail) == ("Not this one.", "wrong_issuer", "the iss is another one")


def test_only_a_shared_credential_sends_for_an_operator() -> None:
    assert "operator" not in str(login_required("drive", personal=True))
    assert "/api/v1/credentials/drive/login" in str(login_required("drive", personal=False))
    assert login_required("drive", personal=True).members == {"credential": "drive"}
