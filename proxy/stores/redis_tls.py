"""The TLS context for a Redis: whom to believe, and the certificate to show."""

import ssl
from functools import lru_cache
from pathlib import Path

from proxy.core.settings import ConfigFile, Settings


class RedisTlsSettings(Settings):
    """How Redis and Countersign prove themselves to each other. Verification cannot be switched off."""

    ca: ConfigFile | None = None
    """A PEM file with the authorities to believe instead of the system's."""
    certificate: ConfigFile | None = None
    """A PEM file with the client certificate, and the ones between it and its authority."""
    key: ConfigFile | None = None
    """A PEM file with the certificate's private key, unless that stands in the same file."""

    def context(self) -> ssl.SSLContext:
        """Return a context of the files as they are now.

        Raises:
            OSError: one cannot be read, or holds nothing usable.
        """
        files = (self.ca, self.certificate, self.key)
        return _context(*files, tuple(path.stat().st_mtime_ns if path else 0 for path in files))


@lru_cache(maxsize=8)
def _context(ca: Path | None, certificate: Path | None, key: Path | None, stamps: tuple[int, ...]) -> ssl.SSLContext:
    """Reading the system's authorities takes tens of milliseconds: connections share a context."""
    del stamps  # part of the key only: files that were replaced are read again
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context
