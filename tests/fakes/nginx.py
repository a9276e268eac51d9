"""A real nginx as the API: it asks the token server whether a token is good, serves JSON and files, and keeps uploads.

| path | does |
|---|---|
| `/open/…` | answers JSON to anybody |
| `/api/…` | GET answers JSON to a good token, 401 otherwise |
| `/post/NAME` | POST keeps the body as the file `kept/NAME`, with a good token |
| `/files/NAME` | GET serves `files/NAME`, to a good token |
| `/upload/NAME` | PUT keeps the body as `kept/NAME`, with a good token |
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.fakes.process import free_ports
from tests.fakes.program import Program

BINARY: Final = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/opt/homebrew/bin:/usr/local/bin")
MISSING: Final = "needs nginx (Debian: apt-get install nginx-light, macOS: brew install nginx)"
ANSWER: Final = b'{"from": "nginx"}'

_CONFIG: Final = """
daemon off;
worker_processes 1;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log warn;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log {prefix}/access.log;
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    client_max_body_size 0;
    keepalive_requests 1000000;
    sendfile on;
    default_type application/octet-stream;
    upstream token_server {{ server {token_server}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {prefix};
        location = /_valid {{
            internal;
            proxy_pass http://token_server/_valid;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
        location /open/ {{
            default_type application/json;
            try_files /answer.json =404;
        }}
        location /api/ {{
            auth_request /_valid;
            default_type application/json;
            try_files /answer.json =404;
        }}
        location /post/ {{
            auth_request /_valid;
            proxy_method PUT;
            proxy_pass http://127.0.0.1:{keeper}/;
        }}
        location /files/ {{
            auth_request /_valid;
        }}
        location /upload/ {{
            auth_request /_valid;
            alias {prefix}/kept/;
            dav_methods PUT;
        }}
    }}
    server {{
        listen 127.0.0.1:{keeper} backlog=4096;
        root {prefix}/kept;
        location / {{ dav_methods PUT; }}
    }}
}}
"""


class Nginx(Program):
    """Runs while its block runs, with everything it writes under `prefix`."""

    def __init__(self, prefix: Path, *, token_server: str) -> None:
        self.prefix = prefix
        super().__init__()
        (self._keeper,) = free_ports(1)
        self._token_server = token_server.removeprefix("http://")

    @property
    def files(self) -> Path:
        """The folder that `/files/` serves."""
        return self.prefix / "files"

    @property
    def kept(self) -> Path:
        """The folder in which `/post/` and `/upload/` keep bodies."""
        return self.prefix / "kept"

    def requests(self) -> int:
        """Return how many requests were answered so far, those to `/post/` counted twice."""
        return (self.prefix / "access.log").read_bytes().count(b"\n")

    def command(self) -> Sequence[str]:
        """Write the configuration, and return how nginx is called."""
        assert BINARY is not None, MISSING
        for name in ("files", "kept", "body", "proxy"):
            (self.prefix / name).mkdir()
        (self.prefix / "answer.json").write_bytes(ANSWER)
        config = self.prefix / "nginx.conf"
        config.write_text(
            _CONFIG.format(
                prefix=self.prefix,
                port=self.port,
                keeper=self._keeper,
                token_server=self._token_server,
                user="user root;" if os.geteuid() == 0 else "",
            )
        )
        return BINARY, "-p", str(self.prefix), "-e", str(self.prefix / "error.log"), "-c", str(config)
