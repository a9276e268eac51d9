"""Serves `countersign.js`, the script by which pages push tokens, to pages of any origin.

The script is the same for everybody and holds nothing secret. Its hash can be had beside it, so that a page may say
which script it expects (Subresource Integrity); after an update of the proxy that is another one.
"""

import base64
import hashlib
from importlib import resources
from typing import Final

from proxy.users.portal import Answer, Call, Entry, told

NAME: Final = "countersign.js"
INTEGRITY: Final = "integrity"
_HOUR: Final = "public, max-age=3600"
_FOR_ANYBODY: Final = {
    "Cache-Control": _HOUR,
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def script_entries() -> tuple[Entry, ...]:
    """Return what the portal serves."""
    script = resources.files("proxy.users").joinpath(NAME).read_bytes()
    digest = integrity(script)
    tag = f'"{digest.removeprefix("sha384-")}"'

    async def serve(call: Call) -> Answer:
        headers = {**_FOR_ANYBODY, "ETag": tag}
        known = call.head.fields.get("If-None-Match", "")
        if tag in [one.strip().removeprefix("W/") for one in known.split(",")]:
            return Answer(304, headers=headers)
        return Answer(200, script, {**headers, "Content-Type": "text/javascript; charset=utf-8"})

    async def tell(_: Call) -> Answer:
        answer = told({NAME: digest})
        return Answer(answer.status, answer.body, {**answer.headers, **_FOR_ANYBODY})

    return Entry("GET", NAME, serve), Entry("GET", INTEGRITY, tell)


def integrity(script: bytes) -> str:
    """Return what a page writes into `integrity` (Subresource Integrity §3.2)."""
    return f"sha384-{base64.b64encode(hashlib.sha384(script).digest()).decode()}"
