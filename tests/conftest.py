"""What every test is run with."""

from hypothesis import settings

# The same examples every time, however busy the machine is; `make fuzz` looks further, at random.
settings.register_profile("gate", deadline=None, derandomize=True, database=None)
settings.register_profile("fuzz", deadline=None, max_examples=10_000)
settings.load_profile("gate")
