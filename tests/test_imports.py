"""What importing the packages does before TensorFlow is loaded."""

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
import {module}
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
print(os.environ["TF_ENABLE_ONEDNN_OPTS"])
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="kernels of x86-64")
@pytest.mark.parametrize("module", ["pipelines", "spatialnet_keras", "train"])
@pytest.mark.parametrize(("chosen", "used"), [(None, "1"), ("0", "0")])
def test_tensorflow_uses_its_fast_kernels_unless_told_otherwise(module, chosen, used):
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    if chosen:
        environment["TF_ENABLE_ONEDNN_OPTS"] = chosen
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == [used]
