"""Penn Treebank words of a sentence, as the reference scorer takes them, without Java.

It runs Stanford's PTBTokenizer 3.4.1 with -lowerCase over all sentences, one a line, and removes
punctuation. Brackets are written "-lrb-" before that, and stay: their names in its list of
punctuation are in capitals.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from spatialnet_keras.scores.captions.characters import DROPPED, shapes
from spatialnet_keras.scores.captions.rules import (
    ABBREVIATIONS,
    CONTRACTION,
    OPEN_END,
    RULES,
    TWO_WORDS,
)

_PUNCTUATION = frozenset("'' ' `` ` . ? ! , : - -- --- ---- ... ; \" \u2026 \x85".split(" ")) | {
    *"\u0091\u0092\u0093\u0094\u0096\u0097\u00ab\u00bb\u2013\u2014\u2015\u2018\u2019\u201b\u201c"
    "\u201d\u2039\u203a",
    *("&quot;", "&apos;", "&mdash;", "&ndash;", "&nbsp;"),
    *"\u00ad\u058a\u066b\u066c\u2010\u2011",
}
_WRITTEN = {
    "(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-",
    "&lt;": "<", "&gt;": ">", "&amp;": "&", "\u00a2": "cents", "\u00a3": "#",
    **dict.fromkeys("\u0080\u00a4\u20a0\u20ac", "$"),
    "\u00bc": "1/4", "\u00bd": "1/2", "\u00be": "3/4", "\u2153": "1/3", "\u2154": "2/3",
}  # fmt: skip

_ELLIPSIS = re.compile(r"\.{3,}|\.(?:[ \u00a0]\.){2,4}")
_CURLY = re.compile("[\u0092\u2019]|&apos;")
_INITIALS = re.compile("[a-z]+(?:(?:[+&]|&amp;)[a-z]+)+")
_LINK = re.compile("[#@/]")  # of these, soft hyphens stay
_QUOTES = re.compile("[`\u0091-\u0094\u00ab\u00bb\u2018-\u201f\u2039\u203a]{1,2}")
_QUOTE_MARKS = str.maketrans(
    {mark: "`" for mark in "\u0091\u2018\u201b\u2039"}
    | {mark: "'" for mark in "\u0092\u2019\u203a"}
    | {mark: "``" for mark in "\u0093\u00ab\u201c"}
    | {mark: "''" for mark in "\u0094\u00bb\u201d"}
)
_DROPPED = frozenset(map(chr, range(33))) | {"\x7f", "\u00a0", DROPPED}

# Most captions: words of letters and commas, a stop at the end.
_PLAIN = re.compile(r"(?:[A-Za-z]+(?:-[A-Za-z]+)*(?: ?, +| +))*[A-Za-z]+(?:-[A-Za-z]+)* ?\.? *")


def tokenise(sentences: Iterable[str]) -> list[tuple[str, ...]]:
    """The words of each sentence, lower case, without punctuation."""
    return [tuple(line.split()) for line in tokenised(sentences)]


def tokenised(sentences: Iterable[str]) -> list[str]:
    """The words of each sentence, a space between each two.

    A word may hold a no-break space ("1 1/2"). A line break within a sentence is a space, although
    the reference scorer takes all but a line feed for the end of the sentence.
    """
    found, follows = [], ""
    # it looks past the end of a sentence: "no." is a word before a number, also in the next line,
    # and past empty ones
    for line in reversed(list(sentences)):
        is_open = line.rstrip()[-2:-1].isalpha() and OPEN_END.search(line)
        found.append(_words(line, follows if is_open else follows[:1]))
        follows = f"\n{line}\n" if line.strip() else f"\n{line}{follows}"
    return found[::-1]


@lru_cache(maxsize=100_000)
def _words(sentence: str, follows: str) -> str:
    lowered = sentence.lower()
    if _PLAIN.fullmatch(sentence):
        words = lowered.replace(",", " ").replace(".", " ").split()
        if not words or not (words[-1] in ABBREVIATIONS or len(words[-1]) == 1):
            if TWO_WORDS.isdisjoint(words):
                return " ".join(words)
    return " ".join(_by_rules(sentence, follows))


def _by_rules(sentence: str, follows: str) -> Iterator[str]:
    for breaks in "\n\r\v\f\u2028\u2029":
        sentence = sentence.replace(breaks, " ")
    shape = shapes(sentence + follows)
    place = 0
    while place < len(sentence):
        longest = max(
            (found for rule in RULES if (found := rule.match(shape, place))),
            key=lambda found: found.end(),
        )
        end = longest.end(longest.lastindex or 0)
        word = sentence[place:end].lower()
        if shape[place:end] in _DROPPED:
            place = end
            continue
        place = end
        if word in TWO_WORDS and end == longest.end():
            yield word[:3]
            yield word[3:]
        elif (written := _written(word)) not in _PUNCTUATION and not _ELLIPSIS.fullmatch(word):
            yield written


def _written(word: str) -> str:
    if word in _WRITTEN:
        return _WRITTEN[word]
    if _QUOTES.fullmatch(word):
        return word.translate(_QUOTE_MARKS)
    if CONTRACTION.fullmatch(word):
        return _CURLY.sub("'", word)
    if _INITIALS.fullmatch(word):
        return word.replace("&amp;", "&")
    if word[0] == "<" and word[-1] == ">":
        return word.replace(" ", "\u00a0").replace("\t", "\u00a0")
    for character, written in (("(", "-lrb-"), (")", "-rrb-"), (" ", "\u00a0"), ("\t", "\u00a0")):
        word = word.replace(character, written)
    if _LINK.search(word):
        return word
    return word.replace("\u00ad", "") or "-"
