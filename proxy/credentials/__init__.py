"""Credentials know how to get a token. The family's table."""
