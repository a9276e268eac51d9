"""Whom a connection outward believes and which certificate it shows: files, read again when they change.

Theory. Equal settings share one `TlsFiles`, which lives as long as somebody holds one of them. It always has a context
that works: `renew` puts a new one in its place when the files hold something else, and where they cannot be used (a new
certificate beside the old key, say) leaves the former and says why. Nothing is read when a connection is opened, so
whoever watches the files calls `renew`; whoever keeps connections compares the context they were made with.
"""

import hashlib
import ssl
import threading
import weakref
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, model_validator

from proxy.core.secret import Secret
from proxy.core.settings import ConfigFile, Settings

LARGEST: Final = 4 * 1024 * 1024
"""Bytes that are read of a file at most."""


class TlsError(OSError):
    """The files cannot be used. Names them, and shows nothing of their content."""


class TlsSettings(Settings):
    """How the server proves itself, and how we do. Verification cannot be switched off."""

    ca: ConfigFile | None = None
    """A PEM file with the authorities to believe instead of the system's."""
    certificate: ConfigFile | None = None
    """A PEM file with the client certificate to show, and those between it and its authority."""
    key: ConfigFile | None = None
    """A PEM file with the certificate's private key, unless that stands in the same file."""
    key_password: Secret | None = None
    """What the private key is encrypted with, if it is."""
    server_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,253}$")] | None = None
    """The name that is asked for (SNI) and that the server's certificate has to bear, instead of the address's host."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name in ("key", "key_password"):
            if getattr(self, name) is not None and self.certificate is None:
                raise ValueError(f"{name} is given without a certificate; name its file under `certificate`")
        return self

    def __deepcopy__(self, memo: Any = None) -> Self:
        """Return the very same: pydantic copies defaults, and what `files` keeps here cannot be copied."""
        return self

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return the files that are named."""
        return tuple(path for path in (self.ca, self.certificate, self.key) if path is not None)

    @cached_property
    def files(self) -> "TlsFiles":
        """Return what these settings share with all that are equal to them.

        Raises:
            TlsError: they cannot be used.
        """
        with _MAKING:
            shared = _SHARED.get(self)
            if shared is None:
                plain = self.model_copy()  # this one will hold what it shares, which must not hold it in turn
                shared = _SHARED[plain] = TlsFiles(plain)
            return shared


class TlsFiles:
    """The files of one setting, as a context to connect with."""

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._digests = _digests(settings)
        self.server_name = settings.server_name
        """The server's name, where it is not the address's host."""
        self.context = open_context(settings)
        """What the next connection is made with."""

    def __repr__(self) -> str:
        return f"<TlsFiles {', '.join(map(str, self._settings.paths)) or 'of the system'}>"

    def renew(self) -> bool:
        """Take up what the files hold now; return whether that is something else. May take tens of milliseconds.

        Raises:
            TlsError: it cannot be used; what was in use before still is.
        """
        digests = _digests(self._settings)
        if digests == self._digests:
            return False
        context = open_context(self._settings)
        self.context, self._digests = context, digests
        return True


_SHARED: Final["weakref.WeakValueDictionary[TlsSettings, TlsFiles]"] = weakref.WeakValueDictionary()
_MAKING: Final = threading.Lock()


def _digests(settings: TlsSettings) -> tuple[bytes, ...]:
    """Return what tells the files' contents apart; taken before they are used, so that a change meanwhile shows."""
    return tuple(hashlib.sha256(read(path)).digest() for path in settings.paths)


def read(path: Path) -> bytes:
    """Return what stands in the file, up to a bound.

    Raises:
        TlsError: it cannot be read.
    """
    try:
        with path.open("rb") as opened:
            return opened.read(LARGEST)
    except (OSError, ValueError) as error:
        raise TlsError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'this is not a path'}") from None


def open_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return a verifying context of the files as they are. Reading the system's authorities takes tens of milliseconds.

    Raises:
        TlsError: they cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca)
    except OSError:
        raise TlsError(f"{settings.ca} holds no certificates as PEM") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, settings)
    return context


def load_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """Let the context show the certificate, if there is one.

    Raises:
        TlsError: OpenSSL does not take it, or its key.
    """
    if settings.certificate is None:
        return
    password = settings.key_password
    try:
        # A password is always offered: without one, OpenSSL would ask for it at the terminal, and wait.
        context.load_cert_chain(
            settings.certificate, settings.key, password=lambda: password.reveal() if password else ""
        )
    except (OSError, ValueError) as error:
        raise TlsError(_refused(settings, error)) from None


def _refused(settings: TlsSettings, error: Exception) -> str:
    key = settings.key or settings.certificate
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"the key in {key} is not that of the certificate in {settings.certificate}"
    reason = str(getattr(error, "reason", None) or "").replace("_", " ").lower()
    told = f" ({reason})" if reason else ""
    return f"{settings.certificate} and {key} cannot be used as a certificate and its key{told}"
