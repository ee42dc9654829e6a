"""Reads captions to score: COCO's form, Karpathy's, or an object of sentences by image."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from pipelines.reading import read_json
from pipelines.records import DataError

Said = dict[str, list[str]]

_FORMS = (
    'COCO ({"annotations": [{"image_id", "caption"}]} or a list of these), '
    'Karpathy ({"images": [{"filename", "split", "sentences": [{"raw"}]}]}) '
    'or {"id": ["a sentence", ...]}'
)


def read_captions(path: Path, split: str | None = None, like: Collection[str] = ()) -> Said:
    """The sentences of each image.

    Args:
        path: A JSON file.
        split: In Karpathy's form, only the images of this one.
        like: Images of another file: of the names that an image has in Karpathy's form, the one
            that stands there is taken.

    Raises:
        DataError: The file cannot be read, has none of the forms, or has no splits.
    """
    content = read_json(path)
    said: Said = {}
    try:
        if split and not _in_karpathys_form(content):
            raise DataError(f"{path} has no splits. Leave --split out.")
        for image, sentence in _pairs(content, split, like):
            if not isinstance(sentence, str):
                raise TypeError(f"a caption that is no text: {sentence!r}")
            said.setdefault(str(image), []).append(sentence)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} has none of the forms known ({error}): {_FORMS}.") from None
    if not said:
        where = f" of the split {split}" if split else ""
        raise DataError(f"{path} has no captions{where}.")
    return said


def _in_karpathys_form(content: Any) -> bool:
    form = isinstance(content, dict) and "annotations" not in content
    return form and isinstance(content.get("images"), list)


def _pairs(content: Any, split: str | None, like: Collection[str]) -> Iterator[tuple[Any, Any]]:
    if isinstance(content, dict) and "annotations" in content:
        content = content["annotations"]
    if isinstance(content, list):
        for each in content:
            yield each["image_id"], each["caption"]
    elif _in_karpathys_form(content):
        names = _names(content["images"], like)
        for name, image in zip(names, content["images"], strict=True):
            if split in (None, image.get("split")):
                for sentence in image["sentences"]:
                    yield name, sentence["raw"]
    else:
        for image, sentences in content.items():
            if not isinstance(sentences, str | list):
                raise TypeError(f"captions that are neither text nor a list: {sentences!r}")
            for sentence in [sentences] if isinstance(sentences, str) else sentences:
                yield image, sentence


def _names(images: list[dict], like: Collection[str]) -> Sequence[Any]:
    """Of the names that all images have, those that stand in the other file most often."""
    known = [
        [image[key] for image in images]
        for key in ("cocoid", "imgid", "filename")
        if all(key in image for image in images)
    ]
    if not known:
        return range(len(images))
    return max(known, key=lambda names: sum(str(name) in like for name in names))


def matched(references: Said, hypotheses: Said) -> tuple[list[list[str]], list[str]]:
    """The sentences of each image and the one to be scored, in the order of the references.

    Raises:
        DataError: The images are not the same, or an image has several hypotheses.
    """
    missing = [image for image in references if image not in hypotheses]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(references)} images have no hypothesis, such as {missing[0]}. "
            "Score all images of the references, or choose them with --split."
        )
    unknown = [image for image in hypotheses if image not in references]
    if unknown:
        raise DataError(
            f"{len(unknown)} of {len(hypotheses)} hypotheses are of images without references, "
            f"such as {unknown[0]}. Use the same names in both files."
        )
    for image, sentences in hypotheses.items():
        if len(sentences) > 1:
            raise DataError(
                f"Each image must have one hypothesis. Image {image} has {len(sentences)}."
            )
    return list(references.values()), [hypotheses[image][0] for image in references]
