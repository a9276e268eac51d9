"""Whatever goes wrong with Redis is told in a sentence with the remedy, and without what was sent."""

import ssl

import pytest
from redis import exceptions
from redis._parsers.base import BaseParser

from proxy.stores.redis_faults import GoneError, RefusedError, breakage, refusal, understood


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


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("LOADING Redis is loading", "LOADING"),
        ("READONLY You can't", "READONLY"),
        ("OOM command not allowed", "OOM"),
        ("MISCONF Redis is", "MISCONF"),
        ("MOVED 3999 127.0.0.1:6381", "MOVED"),
        ("CLUSTERDOWN The cluster is down", "CLUSTERDOWN"),
        ("NOAUTH Authentication required.", "AUTH"),
        ("WRONGPASS invalid username-password pair", "AUTH"),
        ("NOPERM this user", "NOPERM"),
        ("ERR max number of clients reached", "ERR"),
        ("ERR planted", "ERR"),
    ],
)
def test_a_refusal_is_known_by_its_code(line: str, code: str) -> None:
    told = understood(BaseParser.parse_error(line))  # type: ignore[no-untyped-call]
    assert isinstance(told, RefusedError)
    assert told.code == code


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (exceptions.InvalidResponse("planted"), "not as a Redis does"),
        (ValueError("planted"), "not as a Redis does"),
        (AttributeError("planted"), "ended the connection"),
        (exceptions.ConnectionError("planted"), "ended the connection"),
    ],
)
def test_what_is_no_answer_is_told(error: Exception, says: str) -> None:
    told = understood(error)
    assert isinstance(told, GoneError)
    assert says in refusal(told)


def test_what_a_cluster_failed_with_is_found_out() -> None:
    def cluster(cause: Exception) -> Exception:
        error = exceptions.RedisClusterException("Redis Cluster cannot be connected")
        error.__cause__ = cause
        return error

    refused = exceptions.ConnectionError("planted")
    refused.__context__ = ConnectionRefusedError()
    assert "refuses the connection" in str(understood(cluster(refused)))
    assert isinstance(understood(cluster(exceptions.TimeoutError())), TimeoutError)
    nobody = understood(exceptions.SlotNotCoveredError("planted"))
    assert isinstance(nobody, RefusedError)
    assert nobody.code == "CLUSTERDOWN"


def test_a_master_that_is_none_any_more_is_read_only() -> None:
    told = understood(exceptions.ConnectionError("The previous master is now a slave"))
    assert isinstance(told, RefusedError)
    assert told.code == "READONLY"


def test_a_refusal_does_not_show_what_the_server_said() -> None:
    assert "planted" not in str(RefusedError("ERR", "planted")) + repr(RefusedError("ERR", "planted"))
