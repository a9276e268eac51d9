"""The only place where a client session is built: it does nothing that nobody asked for."""

import ssl

import aiohttp

from proxy.net.failing import progress_trace

_HEAD_LIMIT = 16 * 1024


def open_session(tls: ssl.SSLContext | None = None) -> aiohttp.ClientSession:
    """Return a session for token endpoints. Call it where the event loop runs, and close it there.

    No cookies are kept, no proxy or netrc of the environment is heeded, nothing is decompressed or added unasked, and
    certificates are verified: against `tls`, or the system's authorities. Redirects are refused per call. Each
    connection serves one call, so nothing that arrives late on it can be taken for the next call's answer.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls or True, limit=0, force_close=True, ttl_dns_cache=10),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        timeout=aiohttp.ClientTimeout(total=None),
        trace_configs=[progress_trace()],
        max_line_size=_HEAD_LIMIT,
        max_field_size=_HEAD_LIMIT,
    )
    # aiohttp would send an idempotent request twice when the connection breaks, unseen by retries
    # and metrics. There is no public switch; a test counts the requests.
    session._retry_connection = False
    return session
