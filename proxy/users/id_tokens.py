"""Verifies what a provider says of who has signed in: an ID token (OpenID Connect Core §3.1.3.7)."""

import hmac
from collections.abc import Mapping
from typing import Any

from proxy.core.jwt_claims import ClaimsError, Expected, read_header, verify
from proxy.credentials.sign_in import IdToken, SignInError
from proxy.net.endpoint import Endpoint
from proxy.net.jwks import Jwks, JwksError
from proxy.net.runtime import Runtime
from proxy.net.tls import TlsSettings


class IdTokens:
    """Knows the keys of the providers. One per process."""

    def __init__(self, endpoint: Endpoint, runtime: Runtime) -> None:
        self._endpoint = endpoint
        self._runtime = runtime
        self._keys: dict[tuple[str, TlsSettings | None], Jwks] = {}

    async def check(self, said: IdToken) -> None:
        """See that the ID token is the one that this sign-in was to bring.

        Raises:
            SignInError: it is not.
        """
        text = said.text.reveal()
        try:
            keys = await self._jwks(said).find(read_header(text))
            expected = Expected(said.issuer, said.audience)
            _check_rest(verify(text, keys, expected, self._runtime.clock.now()), said)
        except (ClaimsError, JwksError) as error:
            sentence = "What the service says of who has signed in is not what it should be."
            raise SignInError("wrong_id_token", sentence, detail=f"the id_token is not accepted: {error}") from None

    def _jwks(self, said: IdToken) -> Jwks:
        if not said.jwks_url:
            raise ClaimsError("the metadata of its issuer name no `jwks_uri` that could be used")
        where = said.jwks_url, said.tls
        if where not in self._keys:
            self._keys[where] = Jwks(said.jwks_url, self._endpoint, self._runtime, tls=said.tls)
        return self._keys[where]


def _check_rest(claims: Mapping[str, Any], said: IdToken) -> None:
    """Look at what is not the same for all JWTs."""
    nonce, wanted = claims.get("nonce"), said.nonce.reveal().encode()
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode("utf-8", "surrogatepass"), wanted):
        raise ClaimsError("it was issued for another sign-in (`nonce`)")
    presenter = claims.get("azp")
    if presenter not in (None, said.audience) or (presenter is None and _has_several(claims.get("aud"))):
        raise ClaimsError("it was issued to another client (`azp`)")
    if not isinstance(claims.get("sub"), str):
        raise ClaimsError("it does not say who has signed in (`sub`)")


def _has_several(audience: object) -> bool:
    return isinstance(audience, list) and len(audience) > 1
