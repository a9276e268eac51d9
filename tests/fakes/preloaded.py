"""What the process that others are forked from has done before: what it holds, none of them looks at or builds again.

A collector that looked through all of it would copy every page; and a model is built when it is first used.
"""

import gc

from proxy.config.schema import Config

Config.model_rebuild()
gc.collect()
gc.freeze()
