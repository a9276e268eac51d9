"""A real nginx that only talks to clients with a certificate of its authority: an API and a token endpoint at once.

| path | does |
|---|---|
| `/token` | issues the token `token-of-SERIAL`, SERIAL being that of the certificate that was shown |
| `/slow` | answers with 64 KiB, and takes about a second and a half for it |
| `/bound` | answers like that to a token issued for the certificate that is shown; 401 otherwise (RFC 8705 §3) |
| anything else | answers with the serial that was shown, and the Authorization header that was sent |
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.fakes.certificates import Authority
from tests.fakes.nginx import BINARY, MISSING
from tests.fakes.program import Program

SLOW: Final = 64 * 1024

_CONFIG: Final = """
daemon off;
worker_processes 1;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log crit;
{user}
events {{ worker_connections 1024; }}
http {{
    log_format serials "$ssl_client_serial $request_uri $status";
    access_log {prefix}/access.log serials;
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    default_type application/json;
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name localhost;
        ssl_certificate {prefix}/server.pem;
        ssl_certificate_key {prefix}/server.key;
        ssl_client_certificate {authority};
        ssl_verify_client on;
        ssl_protocols {protocol};
        keepalive_requests 1000000;
        root {prefix};
        location = /token {{
            return 200 '{{"access_token": "token-of-$ssl_client_serial", "token_type": "Bearer", "expires_in": 300}}';
        }}
        location = /bound {{
            if ($http_authorization != "Bearer token-of-$ssl_client_serial") {{ return 401; }}
            return 200 '{{"serial": "$ssl_client_serial"}}';
        }}
        location = /slow {{ limit_rate 42k; }}
        location / {{ return 200 '{{"serial": "$ssl_client_serial", "authorization": "$http_authorization"}}'; }}
    }}
}}
"""


class MutualNginx(Program):
    """Runs while its block runs, with everything it writes under `prefix`."""

    scheme = "https"

    def __init__(self, prefix: Path, authority: Authority, *, protocol: str = "TLSv1.3") -> None:
        super().__init__()
        self.prefix = prefix
        self.authority = authority
        self._protocol = protocol

    def serials(self, path: str) -> list[str]:
        """Return the serials that requests for that path came with, in order; `-` where none was shown."""
        lines = (line.split() for line in (self.prefix / "access.log").read_text().splitlines())
        return [serial for serial, target, _ in lines if target == path]

    def command(self) -> Sequence[str]:
        """Write the configuration, and return how nginx is called."""
        assert BINARY is not None, MISSING
        self.prefix.mkdir()
        self.authority.write_server(self.prefix, "127.0.0.1")
        (self.prefix / "slow").write_bytes(b"x" * SLOW)
        config = self.prefix / "nginx.conf"
        config.write_text(
            _CONFIG.format(
                prefix=self.prefix,
                port=self.port,
                authority=self.authority.file,
                protocol=self._protocol,
                user="user root;" if os.geteuid() == 0 else "",
            )
        )
        return BINARY, "-p", str(self.prefix), "-e", str(self.prefix / "error.log"), "-c", str(config)
