"""Whether settings records carry their descriptions: everybody wants them but `run`, which shows none.

Pydantic reads them out of the source files, a class at a time: that is a fifth of a cold start. The switch is read when
`core.settings` is imported, so `run` turns it before it imports anything else.
"""

wanted = True
