"""BLEU of a corpus (Papineni et al., "BLEU: a method for automatic evaluation", ACL 2002)."""

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
            guessed[place] += found.total()
            most: dict = {}
            for counts in (each[place] for each in known):
                for gram in found.keys() & counts.keys():
                    most[gram] = max(most.get(gram, 0), counts[gram])
            right[place] += sum(min(found[gram], count) for gram, count in most.items())
    ratio = (length + _TINY) / (closest + _SMALL)
    penalty = exp(1 - 1 / ratio) if ratio < 1 else 1.0
    scores, product = {}, 1.0
    for order, hits, tries in zip(ORDERS, right, guessed, strict=True):
        product *= (hits + _TINY) / (tries + _SMALL)
        scores[f"bleu{order}"] = penalty * product ** (1 / order)
    return scores
