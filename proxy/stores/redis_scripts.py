"""What things are called in Redis, and what it does for us in one step each: Lua scripts, each about one key.

A record is a hash with the fields `order`, `data`, `saved_ms` (the server's own time), `ttl_ms` and `durable`. Orders
travel as texts and are compared as Lua's doubles, which hold every whole number up to 2**53 exactly.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.stores.base import Record

Argument = str | bytes | int
Command = tuple[Argument, ...]
"""A command and its arguments, as they are sent."""

MARK_LIFE: Final = 1000
"""Milliseconds for which a key stands that is only written to see that one can."""
LONGEST: Final = 10 * 365 * 86_400.0
"""Seconds: what is to be kept for longer is kept for this long."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What things are called. The braces make a cluster keep a key's record and lock on one member."""

    prefix: str

    def record(self, key: str) -> str:
        """Return the name of the key's record."""
        return f"{self.prefix}:{{{key}}}:record"

    def lock(self, key: str) -> str:
        """Return the name of the key's lock."""
        return f"{self.prefix}:{{{key}}}:lock"

    def probe(self, number: int) -> str:
        """Return a name that is written to find out whether one can; the number stands at its end."""
        return f"{self.prefix}:probe:{number}"

    def mark(self, key: str) -> str:
        """Return a name that is written to learn how far the replicas are that also follow the key's record."""
        return f"{self.prefix}:{{{key}}}:mark"

    def echo(self, ear: str) -> str:
        """Return the channel on which one listener talks to itself."""
        return f"{self.prefix}:echo:{ear}"

    @property
    def news(self) -> str:
        """The channel of all news."""
        return f"{self.prefix}:news"

    @property
    def records(self) -> str:
        """The pattern that every record's name matches."""
        return f"{self.prefix}:{{*}}:record"

    def key(self, name: bytes) -> str | None:
        """Return the key whose record has that name; None when it is no record of ours."""
        before, after = f"{self.prefix}:{{".encode(), b"}:record"
        if not (name.startswith(before) and name.endswith(after) and len(name) >= len(before) + len(after)):
            return None
        try:
            return name[len(before) : -len(after)].decode()
        except UnicodeDecodeError:
            return None


@dataclass(frozen=True, slots=True)
class Script:
    """A script that is called by its digest, and sent whole to a server that does not know it yet."""

    text: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())

    def call(self, key: str, *arguments: Argument) -> Command:
        """Return the command that runs it on that key."""
        return ("EVALSHA", self.digest, 1, key, *arguments)

    def whole(self, call: Command) -> Command:
        """Return a call of this script with the script itself in it."""
        return ("EVAL", self.text, *call[2:])


_STANDING: Final = """
local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local function is_number(text)
  return text and string.match(text, '^%d+$')
end
local function standing()
  if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return false end
  local found = redis.call('HMGET', KEYS[1], 'order', 'data', 'saved_ms', 'ttl_ms', 'durable')
  if not (found[2] and is_number(found[1]) and is_number(found[3]) and is_number(found[4])) then return false end
  local age = string.format('%.0f', math.max(0, now() - tonumber(found[3])))
  return {found[1], found[2], age, found[4], found[5] or '0'}
end
"""

_CLEAR: Final = """
local function clear(kind)
  local found = redis.call('TYPE', KEYS[1]).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', KEYS[1]) end
end
"""
"""What somebody else put under a key of ours counts as nothing."""

LOAD: Final = Script(_STANDING + "return standing()")
"""() -> order, data, age in ms, ttl in ms, durable; or nothing."""

SAVE: Final = Script(
    _CLEAR
    + _STANDING
    + """
local found = standing()
if found and tonumber(found[1]) >= tonumber(ARGV[1]) then return found end
clear('hash')
redis.call('HSET', KEYS[1], 'order', ARGV[1], 'data', ARGV[2], 'saved_ms', string.format('%.0f', now()),
           'ttl_ms', ARGV[3], 'durable', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[5], ARGV[6] .. ARGV[2])
return false
"""
)
"""(order, data, ttl in ms, durable, channel, the news before its data) -> nothing, or what stood there instead."""

DROP: Final = Script(
    _CLEAR
    + """
clear('hash')
local order = redis.call('HGET', KEYS[1], 'order')
if not order or (tonumber(order) or 0) > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
"""
)
"""(order, channel, news) -> 1 if it was forgotten."""

SWAP: Final = Script(
    _CLEAR
    + """
clear('hash')
local data = redis.call('HGET', KEYS[1], 'data')
if data == ARGV[2] then return 1 end
if data ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'data', ARGV[2])
return 1
"""
)
"""(old, new) -> 1 if the new data stands there; it may have been put there by a try whose answer was lost."""

ACQUIRE: Final = Script(
    _CLEAR
    + """
clear('string')
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
)
"""(owner, lease in ms) -> 1 if the lock is this owner's, be it by a try whose answer was lost."""

RENEW: Final = Script(
    _CLEAR
    + """
clear('string')
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
)
"""(owner, lease in ms) -> 1 if the lock is still this owner's."""

RELEASE: Final = Script(
    _CLEAR
    + """
clear('string')
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
"""
)
"""(owner, channel, news) -> 1 if it was freed."""

SCRIPTS: Final = {script.digest: script for script in (LOAD, SAVE, DROP, SWAP, ACQUIRE, RENEW, RELEASE)}


def milliseconds(seconds: float) -> int:
    """Return a time to live as Redis takes it."""
    return max(1, round(min(seconds, LONGEST) * 1000))


def as_record(reply: Sequence[Any]) -> Record:
    """Return the record that `standing` told of."""
    order, data, age, ttl, durable = reply
    return Record(int(order), bytes(data), int(ttl) / 1000, int(age) / 1000, durable == b"1")
