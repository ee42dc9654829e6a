"""Tests; `python -m pytest` runs them on the backend of KERAS_BACKEND."""

import os

# JAX compiles every small network for speed that no test lives long enough to see: half the time
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
