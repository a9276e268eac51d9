"""Stores keep tokens. The family's table."""
