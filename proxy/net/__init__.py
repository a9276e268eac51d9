"""Sockets outward: whatever opens a connection to somebody else stands here."""
