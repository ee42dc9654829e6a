"""BLEU of a corpus (Papineni et al., "BLEU: a method for automatic evaluation", ACL 2002)."""

from collections import Counter
from collections.abc import Sequence
from math import exp

from spatialnet_keras.scores.captions.grams import ORDERS, Words, grams

# As the reference scorer has them: no division by zero, and nothing right still scores above 0.
_TINY, _SMALL = 1e-15, 1e-9


def bleu(references: Sequence[Sequence[Words]], hypotheses: Sequence[Words]) -> dict[str, float]:
    """BLEU-1 to BLEU-4: counts are summed over the corpus before they are divided.

    The brevity penalty compares with the closest reference length of each image, the shorter of
    two that are equally close.

    Args:
        references: The sentences of each image, as words.
        hypotheses: One sentence an image, as words.
    """
    right, guessed = [0] * len(ORDERS), [0] * len(ORDERS)
    length = closest = 0
    for said, hypothesis in zip(references, hypotheses, strict=True):
        length += len(hypothesis)
        closest += min((abs(len(each) - len(hypothesis)), len(each)) for each in said)[1]
        known = [grams(each) for each in set(said)]
        for place, found in enumerate(grams(hypothesis)):
            guessed[place] += max(len(hypothesis) - place, 0)
            right[place] += _matches(found, [each[place] for each in known])
    ratio = (length + _TINY) / (closest + _SMALL)
    penalty = exp(1 - 1 / ratio) if ratio < 1 else 1.0
    scores, product = {}, 1.0
    for order, hits, tries in zip(ORDERS, right, guessed, strict=True):
        product *= (hits + _TINY) / (tries + _SMALL)
        scores[f"bleu{order}"] = penalty * product ** (1 / order)
    return scores


def _matches(found: Counter, known: Sequence[Counter]) -> int:
    """How many of the n-grams are right: each as often at most as a reference has it."""
    missed = set(found).difference(*known)
    right = len(found) - len(missed)
    if found.total() > len(found):
        for gram, count in found.items():
            if count > 1 and gram not in missed:
                right += min(count, max(counts[gram] for counts in known)) - 1
    return right
