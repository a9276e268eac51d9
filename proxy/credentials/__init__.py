"""Credentials know how to get a token. The family's table."""

from typing import Final

from proxy.core.kinds import Table
from proxy.credentials.authorization_code import AuthorizationCode
from proxy.credentials.base import Credential
from proxy.credentials.basic import Basic
from proxy.credentials.client_credentials import ClientCredentials
from proxy.credentials.http_request import HttpRequest
from proxy.credentials.jwt_bearer import JwtBearer
from proxy.credentials.password import Password
from proxy.credentials.refresh_token import RefreshToken
from proxy.credentials.text import Text
from proxy.credentials.token_exchange import TokenExchange
from proxy.credentials.user_token import UserToken
from proxy.credentials.workflow import Workflow

KINDS: Final[Table[type[Credential]]] = Table(
    "proxy.credentials",
    {
        "text": Text,
        "basic": Basic,
        "http_request": HttpRequest,
        "workflow": Workflow,
        "client_credentials": ClientCredentials,
        "password": Password,
        "refresh_token": RefreshToken,
        "authorization_code": AuthorizationCode,
        "jwt_bearer": JwtBearer,
        "token_exchange": TokenExchange,
        "user_token": UserToken,
    },
)
