"""Makes the sources of credentials of which each user has a token of their own.

A user's record in the store is named after the credential, its settings with the user's variables in them, and the
user's pseudonym: so a changed password begins with a token of its own, and with no failure remembered. A chain of what
works only once is named after its beginning and the user, and what the user has brought after the credential and who
issued it; whatever else changes, it goes on. Where nothing in the settings is a user's own, all share one credential.
All ask the same token endpoint, and share its circuit.
"""

import hashlib
import hmac

from proxy.core.errors import Reason, TokenUnavailableError
from proxy.core.person import Person
from proxy.credentials.base import CredentialSettings
from proxy.stores.base import StoreError
from proxy.tokens.identity import canonical, identity_of, place_of_brought
from proxy.tokens.pool import Pool
from proxy.tokens.source import Source
from proxy.tokens.workshop import Workshop


def build_pool(name: str, settings: CredentialSettings, identity: str, workshop: Workshop, most: int) -> Pool:
    """Return the pool of that credential's users; `identity` is that of its settings, `most` how many it holds."""
    circuit = workshop.circuit(name)
    everybodys = None if settings.user_variables else workshop.credential(name, settings)

    async def make(person: Person) -> Source:
        own = settings if everybodys else await _settings_of(person, name, settings)
        credential = everybodys or workshop.credential(name, own)
        mark = identity_of(own, workshop.identity_key) if own is not settings else identity
        key = f"token/{name}/{mark}/{person.pseudonym}"
        if credential.brought is not None:
            key = place_of_brought(name, credential.brought, workshop.identity_key, person.pseudonym)
        elif credential.lineage is not None:
            beginning = canonical((*credential.lineage, person.pseudonym))
            key = f"chain/{hmac.new(workshop.identity_key, beginning, hashlib.sha256).hexdigest()[:32]}"
        source = workshop.source(credential, key, mark, circuit)
        try:
            await source.look()
        except BaseException:
            source.rest()  # the caller has left: nobody else knows of it
            raise
        return source

    return Pool(name, identity, make, most=most, circuit=circuit)


async def _settings_of(person: Person, name: str, settings: CredentialSettings) -> CredentialSettings:
    try:
        return settings.for_user(await person.values(settings.user_variables))
    except StoreError:
        raise TokenUnavailableError(
            Reason.INTERNAL, "what is known of the user cannot be looked up now", credential=name, retry_after=1.0
        ) from None
