"""The life of a person: who the user is, what they have given us access to, and what they have proved."""
