"""What things are called in Redis: keys and channels, all of which begin with the store's prefix."""

from dataclasses import dataclass


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
        """Return a name that is written to find out whether one can; each number falls to a member by chance."""
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
