"""The TLS context for a Redis: whom to believe, and the certificate to show."""

import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to believe and how to prove ourselves. Verification and host name are not up for choice."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

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
