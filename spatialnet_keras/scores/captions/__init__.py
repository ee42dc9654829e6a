"""Scores of captions, equal to pycocoevalcap 1.2 (which every paper uses), without Java."""

from collections.abc import Sequence

from spatialnet_keras.scores.captions.bleu import bleu
from spatialnet_keras.scores.captions.cider import Cider
from spatialnet_keras.scores.captions.rouge import rouge_l
from spatialnet_keras.scores.captions.tokeniser import tokenise, tokenised

__all__ = ["Cider", "caption_scores", "tokenise", "tokenised"]


def caption_scores(
    references: Sequence[Sequence[str]], hypotheses: Sequence[str]
) -> dict[str, float]:
    """BLEU-1 to BLEU-4, ROUGE-L and CIDEr-D of a set of captions.

    Args:
        references: The sentences of each image, at least one.
        hypotheses: One sentence an image, in the same order.

    Returns:
        `bleu1` to `bleu4` and `rouge_l`, 0 to 1, and `cider`, 0 to 10.

    Raises:
        ValueError: The two are not of one length, an image has no reference, or there are fewer
            than two images.
    """
    if len(references) != len(hypotheses):
        raise ValueError(
            "There must be one hypothesis for each image. "
            f"Received: {len(references)} images and {len(hypotheses)} hypotheses."
        )
    if empty := [place for place, said in enumerate(references) if not said]:
        raise ValueError(
            f"Each image must have a reference caption. Image {empty[0]} (from 0) has none."
        )
    if len(hypotheses) < 2:
        raise ValueError(
            "CIDEr weighs words by how few images they occur with, so it needs at least two "
            f"images. Received: {len(hypotheses)}."
        )
    lines = iter(tokenised([text for texts in references for text in texts]))
    said = [[next(lines) for _ in texts] for texts in references]
    answers = tokenised(hypotheses)
    # a token may hold a no-break space ("1 1/2"): the reference scorer's ROUGE keeps it whole
    pieces = [[tuple(line.split(" ")) for line in lines] for lines in said]
    scores = {"rouge_l": rouge_l(pieces, [tuple(line.split(" ")) for line in answers])}
    words = [[tuple(line.split()) for line in lines] for lines in said]
    guesses = [tuple(line.split()) for line in answers]
    cider = Cider.of(words)
    each = [cider.score(said, guess) for said, guess in zip(words, guesses, strict=True)]
    return bleu(words, guesses) | scores | {"cider": float(sum(each) / len(each))}
