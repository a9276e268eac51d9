"""Who a caller turned out to be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller after it has proved who it is."""

    name: str
    """The caller's name in the configuration: the word that routes, logs and metrics use."""
    kind: str
    proof_headers: frozenset[bytes] = frozenset()
    """Lower-case names of the headers that carried the proof; they never go upstream."""
    acts_for_any: bool = False
    """Whether it is believed whichever user it names."""
