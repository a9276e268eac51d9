"""A configuration that can be used, in a file of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.config.load import Examined, examine

GOOD = """\
listen: {proxy: 127.0.0.1:0, admin: 127.0.0.1:0, metrics: 127.0.0.1:0}
callers:
  backend:
    kind: api_key
    keys: ["sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"]
credentials:
  stripe:
    kind: text
    value: ${env:STRIPE_KEY}
  billing:
    kind: http_request
    request:
      method: POST
      url: https://auth.example.com/session
      form: {client_id: my-client, client_secret: "${file:secret}", grant_type: custom_grant}
    token: {from: json, path: $.access_token}
    expiry: {from: json, path: $.expires_in, type: seconds}
    inject: [{kind: header, name: Authorization, prefix: "Bearer "}]
    rejected_when: [{status: 401}, {status: 200, json: $.error.code, equals: SESSION_EXPIRED}]
routes:
  billing:
    match: {host: "*", path: /billing/, methods: [GET, POST]}
    upstream: https://api.example.com/v2
    credential: billing
    callers: [backend]
    breaker: {failures: 5, ratio: 0.5, window: 30s, cooldown: 30s}
    replay: {memory: 256KiB, disk: 64MiB}
    timeouts: {connect: 5s, response: 60s, idle: 5m}
  stripe:
    match: {path: /stripe/}
    upstream: https://api.stripe.example
    credential: stripe
    callers: [backend]
"""
ENVIRON = {"STRIPE_KEY": "sk_live_marker"}

Examine = Callable[..., Examined]


@pytest.fixture
def examined(tmp_path: Path) -> Examine:
    """Examine a configuration text, beside which a file `secret` stands."""
    (tmp_path / "secret").write_text("file-marker\n")
    path = tmp_path / "countersign.yaml"

    def examined(text: str | bytes, *, resolve: bool = True, environ: dict[str, str] = ENVIRON) -> Examined:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return examine(path, environ, resolve=resolve)

    return examined


@pytest.fixture
def problems(examined: Examine) -> Callable[..., list[str]]:
    """Return the problems of a configuration text, without the file's name."""

    def problems(text: str | bytes, **options: object) -> list[str]:
        found = examined(text, **options).problems
        return [str(problem).removeprefix(f"{problem.file}:") for problem in found]

    return problems
