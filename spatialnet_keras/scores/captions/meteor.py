"""METEOR 1.5 (Denkowski and Lavie, WMT 2014) by its own program, where Java and its jar are.

The jar comes with `pip install pycocoevalcap` (the extra `meteor`); the environment variable
`METEOR_JAR` names another. nltk's METEOR is another number, and is called `meteor_nltk`.
"""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from spatialnet_keras.scores.captions.grams import Words

JAR = "METEOR_JAR"


def meteor_jar() -> Path | None:
    """The program, or None where it or Java is missing."""
    if not shutil.which("java"):
        return None
    if named := os.environ.get(JAR):
        return Path(named) if Path(named).is_file() else None
    package = importlib.util.find_spec("pycocoevalcap")
    folders = package.submodule_search_locations if package else []
    jars = (Path(folder) / "meteor" / "meteor-1.5.jar" for folder in folders)
    return next((jar for jar in jars if jar.is_file()), None)


def meteor(references: Sequence[Sequence[str]], hypotheses: Sequence[str]) -> float | None:
    """METEOR of a corpus, 0 to 1; None where it cannot be computed here.

    Args:
        references: The tokenised sentences of each image.
        hypotheses: One an image.

    Raises:
        RuntimeError: The program broke off.
    """
    jar = meteor_jar()
    if jar is None:
        return None
    command = ["java", "-jar", "-Xmx2G", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
    try:
        return _said_by(command, references, hypotheses)
    except (OSError, EOFError):  # OSError: it was gone before it was asked
        raise RuntimeError(f"METEOR broke off: {' '.join(command)}. Run it by hand.") from None


def _said_by(
    command: list[str], references: Sequence[Sequence[str]], hypotheses: Sequence[str]
) -> float:
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as program:

        def read() -> str:
            if not (answer := program.stdout.readline().strip()):
                raise EOFError
            return answer

        def ask(line: str) -> str:
            print(line, file=program.stdin, flush=True)
            return read()

        counts = [
            ask(" ||| ".join(("SCORE", *said, hypothesis.replace("|||", "").replace("  ", " "))))
            for said, hypothesis in zip(references, hypotheses, strict=True)
        ]
        # a score for each image, then that of the corpus
        score = ask(" ||| ".join(("EVAL", *counts)))
        for _ in counts:
            score = read()
        program.stdin.close()
    return float(score)


def meteor_nltk(references: Sequence[Sequence[Words]], hypotheses: Sequence[Words]) -> float:
    """The mean over images of nltk's METEOR, 0 to 1.

    Raises:
        ValueError: nltk or its WordNet is not there.
    """
    try:
        from nltk.corpus import wordnet
        from nltk.translate.meteor_score import meteor_score

        wordnet.ensure_loaded()
    except (ImportError, LookupError):
        raise ValueError(
            "meteor_nltk needs nltk and its WordNet. Run python -m nltk.downloader wordnet, "
            "or set NLTK_DATA to the folder that holds corpora/wordnet.zip."
        ) from None
    pairs = zip(references, hypotheses, strict=True)
    return sum(meteor_score(said, hypothesis) for said, hypothesis in pairs) / len(hypotheses)
