"""Tests; `python -m pytest` runs them on the backend of KERAS_BACKEND."""

import os
import tempfile

# two workers share the cores: each with threads of its own, they would wait for one another
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
# JAX compiles every small network for speed that no test lives long enough to see: half the time
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
# and what one process compiled, the next finds: workers, commands, the run that was killed
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    kept = tempfile.TemporaryDirectory(prefix="compiled_")  # gone when the first process ends
    os.environ["JAX_COMPILATION_CACHE_DIR"] = kept.name
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
