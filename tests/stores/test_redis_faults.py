"""Whatever goes wrong with Redis is told in a sentence with the remedy, and without what was sent."""

import ssl

import pytest

from proxy.stores.redis_faults import RefusedError, breakage, refusal


@pytest.mark.parametrize(
    ("code", "text", "says"),
    [
        ("AUTH", "invalid username-password pair or user is disabled.", "store.password"),
        ("READONLY", "You can't write against a read only replica.", "primary"),
        ("ERR", "ERR Error running script: @user_script:1: -READONLY You can't write", "primary"),
        ("OOM", "command not allowed when used memory > 'maxmemory'.", "maxmemory"),
        ("MISCONF", "MISCONF Redis is configured to save RDB snapshots, but", "disk"),
        ("LOADING", "Redis is loading the dataset in memory", "in a moment"),
        ("MASTERDOWN", "Link with MASTER is down", "lost its master"),
        ("CLUSTERDOWN", "The cluster is down", "redis-cli --cluster check"),
        ("TRYAGAIN", "Multiple keys request during rehashing of slot", "in a moment"),
        ("NOREPLICAS", "NOREPLICAS Not enough good replicas to write.", "min-replicas-to-write"),
        ("MOVED", "3999 127.0.0.1:6381", "redis+cluster://"),
        ("NOSCRIPT", "No matching script. Please use EVAL.", "SCRIPT FLUSH"),
        ("NOPERM", "this user has no permissions to run the 'evalsha' command", "call EVALSHA"),
        ("NOPERM", "this user has no permissions to run the 'cluster|slots' command", "call CLUSTER SLOTS"),
        ("NOPERM", "No permissions to access one of the keys used as arguments", "use our keys or channels"),
        (
            "ERR",
            "The user executing the script can't run this command or subcommand script: planted",
            "our scripts call",
        ),
        ("ERR", "ERR ACL failure in script: User x has no permissions to run the 'publish' command", "call PUBLISH"),
        ("ERR", "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'user' 'planted'", "protocol to 2"),
        ("ERR", "ERR unknown command `EVALSHA`, with args beginning with: `planted`", "does not know EVALSHA"),
        ("ERR", "max number of clients reached", "maxclients"),
        ("ERR", "planted", "error ERR"),
        ("pl4nted", "pl4nted", "error ERR"),
    ],
)
def test_a_refusal_is_told_by_its_remedy_and_not_by_the_servers_words(code: str, text: str, says: str) -> None:
    sentence = refusal(RefusedError(code, text))
    assert says in sentence
    assert "planted" not in sentence
    assert "pl4nted" not in sentence


def caused(cause: BaseException) -> Exception:
    error = ConnectionError("Error 111 connecting to planted")
    error.__context__ = cause
    return error


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (ConnectionRefusedError(), "refuses the connection"),
        (FileNotFoundError(), "socket does not exist"),
        (PermissionError(), "unixsocketperm"),
        (ssl.SSLError("planted"), "client certificate"),
        (OSError("planted"), "ended the connection"),
    ],
)
def test_why_there_is_no_connection_is_told_by_its_cause(cause: BaseException, says: str) -> None:
    assert says in breakage(caused(cause))
    assert "planted" not in breakage(caused(cause))


def test_a_refusal_does_not_show_what_the_server_said() -> None:
    assert "planted" not in str(RefusedError("ERR", "planted")) + repr(RefusedError("ERR", "planted"))
