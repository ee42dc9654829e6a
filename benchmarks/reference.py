"""Runs pycocoevalcap 1.2: JSON [references, hypotheses] on stdin, its scores on stdout.

Stands alone, to be run by any Python that has pycocoevalcap (and Java): `scored` starts it.
"""

import contextlib
import json
import os
import subprocess
import sys
import time


def scored(
    python: str, references: list[list[str]], hypotheses: list[str], meteor: bool = False
) -> dict:
    """Scores, words, seconds and seconds of CPU of the reference, without the start of Python.

    Raises:
        RuntimeError: It is not installed for that Python.
    """
    done = subprocess.run(
        [python, __file__, *(["--meteor"] if meteor else [])],
        input=json.dumps([references, hypotheses]),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(
            f"{python} cannot run pycocoevalcap: {done.stderr.strip().splitlines()[-1]}. "
            "pip install pycocoevalcap==1.2 there, and Java."
        )
    return json.loads(done.stdout)


def _main() -> None:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    references, hypotheses = json.load(sys.stdin)
    started, busy = time.perf_counter(), sum(os.times()[:4])
    with contextlib.redirect_stdout(sys.stderr):
        said, answers = (
            PTBTokenizer().tokenize(
                {image: [{"caption": text} for text in texts] for image, texts in enumerate(each)}
            )
            for each in (references, [[text] for text in hypotheses])
        )
        bleu, _ = Bleu(4).compute_score(said, answers, verbose=0)
        rouge, _ = Rouge().compute_score(said, answers)
        cider, _ = Cider().compute_score(said, answers)
        scores = {f"bleu{order}": score for order, score in enumerate(bleu, start=1)}
        scores |= {"rouge_l": float(rouge), "cider": float(cider)}
        seconds = time.perf_counter() - started, sum(os.times()[:4]) - busy
        if "--meteor" in sys.argv:
            scores["meteor"], _ = Meteor().compute_score(said, answers)
    words = [text for image in sorted(said) for text in said[image]]
    words += [answers[image][0] for image in sorted(answers)]
    json.dump({"scores": scores, "words": words, "seconds": seconds}, sys.stdout)


if __name__ == "__main__":
    _main()
