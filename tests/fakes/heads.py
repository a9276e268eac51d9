"""Request heads as `receive` makes them, for code that only reads them."""

from multidict import CIMultiDict

from proxy.core.message import RequestHead


def head_of(
    path: str = "/",
    *,
    method: str = "GET",
    host: str = "api.example",
    headers: tuple[tuple[str, str], ...] = (),
    peer: str = "127.0.0.1",
) -> RequestHead:
    """Return a head with these parts; the path is the raw one."""
    raw = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)
    return RequestHead(method, path, "", host, raw, CIMultiDict(headers), peer)
