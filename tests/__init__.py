"""Tests; `python -m pytest` runs them on the backend of KERAS_BACKEND."""

import os
from pathlib import Path

# two workers share the cores: each with threads of its own, they would wait for one another
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
# JAX compiles every small network for speed that no test lives long enough to see: half the time
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
# and what one process compiled, the next finds: workers, commands, the run that was killed
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache/jax")
)
os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(200_000_000))  # bytes
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
