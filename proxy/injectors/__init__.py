"""Injectors say where a token goes in a request. The family's table."""
