"""Extractors find one value in a token endpoint's reply. The family's table."""
