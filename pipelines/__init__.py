"""Files on disk -> tf.data. numpy and TensorFlow; knows no model and no task."""

import os
import platform
from importlib import import_module

from pipelines.records import SPLITS, DataError, Question, Record, Records, unknown

# Each name is a module here with `load(root, split) -> Records`.
DATASETS = (
    "folder", "rsicd", "rsvqa_hr", "rsvqa_lr", "sydney_captions", "synthetic", "ucm_captions",
)  # fmt: skip

if platform.machine() in ("x86_64", "AMD64"):
    # TensorFlow leaves these kernels out on processors without AVX-512, where they help as well
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__all__ = ["DATASETS", "SPLITS", "DataError", "Question", "Record", "Records", "load"]


def load(name: str, root: str | os.PathLike, split: str) -> Records:
    """Reads one split of a data set.

    Args:
        name: One of `DATASETS`.
        root: Its folder, in the published layout.
        split: "train", "val" or "test".

    Raises:
        DataError: For an unknown name or split, a missing folder, a broken file.
    """
    if name not in DATASETS:
        raise DataError(unknown("data set", name, DATASETS))
    if split not in SPLITS:
        raise DataError(unknown("split", split, SPLITS))
    return import_module(f"pipelines.{name}").load(root, split)
