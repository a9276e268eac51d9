"""The dictionary: nouns and rules that never await and never open anything."""
