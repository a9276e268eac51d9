"""Callers prove who they are. The family's table."""
