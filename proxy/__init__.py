"""Countersign: a reverse proxy that signs in to APIs, so that your services need not.

The words, the same in YAML, code, tests, metrics and documentation:

caller      who sends a request to us; before it is identified a *caller*, afterwards a *principal*
route       which requests go to which upstream, with which credentials, for which callers
upstream    the API behind a route
credential  what an operator configures: how to get a token and where to put it
token       the value that a credential yields now, with a lifetime and a generation
generation  a counter that grows by one each time a new value of a token is stored
injection   what a token adds to a request: header lines, query parameters, cookies
rejected    said of a token when the upstream refuses it
renew       replace a token that was rejected; the request is then *replayed* once
flight      one fetch of a token that any number of requests wait for
seal        what makes a stored record readable for holders of a key only, and only where it was put
line        what a sealing key hands down to the key that replaces it: tokens are found by it
breaker     the switch in front of an upstream or token endpoint that opens when it keeps failing
kind        an interchangeable member of a family: one file, one line in the family's table
"""

__version__ = "0.1.0"
