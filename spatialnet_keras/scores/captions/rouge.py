"""ROUGE-L of a corpus (Lin, "ROUGE: a package for automatic evaluation of summaries", 2004)."""

from collections.abc import Sequence

from spatialnet_keras.scores.captions.grams import Words

BETA = 1.2  # recall weighs more than precision


def rouge_l(references: Sequence[Sequence[Words]], hypotheses: Sequence[Words]) -> float:
    """The mean over images of the F-measure of longest common subsequences.

    As in the reference scorer, the best precision and the best recall may come from two different
    references.

    Args:
        references: The sentences of each image, each of at least one word (which may be "").
        hypotheses: One sentence an image, likewise.
    """
    pairs = zip(references, hypotheses, strict=True)
    return sum(_image(said, hypothesis) for said, hypothesis in pairs) / len(hypotheses)


def _image(said: Sequence[Words], hypothesis: Words) -> float:
    places = _places(hypothesis)
    common = {each: _common(places, len(hypothesis), each) for each in said}
    precision = max(common.values()) / len(hypothesis)
    recall = max(length / len(each) for each, length in common.items())
    if not precision:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _places(words: Words) -> dict:
    """For each word, the bits of the places where it stands."""
    places: dict = {}
    for place, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << place
    return places


def _common(places: dict, length: int, right: Words) -> int:
    """The length of the longest common subsequence.

    A row of the usual table is one integer, its bits the steps from one column to the next, so
    that a word of `right` costs four operations whatever the length of the other (Hyyrö,
    "Bit-parallel LCS-length computation revisited", 2004).
    """
    everywhere = (1 << length) - 1
    row = everywhere
    for word in right:
        found = row & places.get(word, 0)
        row = (row + found | row - found) & everywhere
    return length - row.bit_count()
