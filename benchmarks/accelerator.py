"""What a GPU can do and what a computation takes of it; None on a machine without one."""

import statistics

GIB = 2**30
SIDE, TIMES = 8192, 20  # of the product of matrices that a peak is measured by


def matrix_rate() -> float | None:
    """Operations a second of PyTorch's bfloat16 product of two random matrices; None on a CPU."""
    import torch

    if not torch.cuda.is_available():
        return None
    a, b = (torch.randn(SIDE, SIDE, dtype=torch.bfloat16, device="cuda") for _ in range(2))
    seconds = []
    for _ in range(TIMES + 3):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        a @ b
        end.record()
        end.synchronize()
        seconds.append(start.elapsed_time(end) / 1e3)
    return 2 * SIDE**3 / statistics.median(seconds[3:])  # the first ones warm up


class Memory:
    """The most that a library has taken of the GPU's memory since the making of this, in GiB.

    Args:
        library: "torch", "jax" or "tensorflow".
    """

    def __init__(self, library: str):
        self.library = library
        self.before = self._reset()

    def peak(self) -> float | None:
        """None on a CPU, and for TensorFlow. JAX knows of no peak but that of its process."""
        if self.before is None:
            return None
        if self.library == "jax":
            import jax

            return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / GIB
        import torch

        return (torch.cuda.max_memory_allocated() - self.before) / GIB

    def _reset(self) -> int | None:
        if self.library == "jax":
            import jax

            return 0 if jax.default_backend() == "gpu" else None
        import torch

        if self.library != "torch" or not torch.cuda.is_available():
            return None
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
