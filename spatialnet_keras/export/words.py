"""Questions -> word ids and word ids -> sentences by core TensorFlow ops.

The rules are those of `spatialnet_keras.text`; a server needs neither keras-hub nor
tensorflow-text. Of Unicode case folding only lower case and ß are there: full-width letters and
the like, which no vocabulary of a published data set holds, stay unknown words.
"""

import tensorflow as tf

from spatialnet_keras.export.pixels import OK
from spatialnet_keras.text import END, PAD, SPECIAL_WORDS, UNKNOWN, Vocabulary, split_words

EMPTY = "question has no words"
NOT_TEXT = "question is not UTF-8 text"
STRANGE = "question has no word that is known"
PARTLY_STRANGE = "question has words never seen in training"

# RE2, which knows no look-around. What `text.split_words` takes for space, and what it takes for a
# word of its own: ASCII signs, Unicode punctuation, CJK.
_SPACE = r"[\s\p{Z}\p{Cc}\p{Cf}]"
_ALONE = (
    r"[!-/:-@\[-`{-~\p{P}\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}"
    r"\x{2A700}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]"
)
_WORD = r".*[\p{L}\p{N}].*"  # and not a sign


class QuestionWords(tf.Module):
    """Turns questions into what the question encoder reads.

    Args:
        vocabulary: Of the run's questions.
        length: Q, words that are read.
    """

    def __init__(self, vocabulary: Vocabulary, length: int):
        super().__init__(name="question_words")
        self.length = length
        # a word that the tokenizer of training folds into another is never found by it either
        known = [
            (word, place)
            for place, word in enumerate(vocabulary.words)
            if place >= len(SPECIAL_WORDS) and split_words(word) == [word]
        ]
        words, places = zip(*known, strict=True) if known else (("",), (UNKNOWN,))
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(words, tf.constant(places, tf.int32)), UNKNOWN
        )

    def __call__(self, questions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """String [n] -> ids int32 [n, Q], status string [n], and whether to answer, bool [n].

        A question is answered if the network knows one word of it at least.
        """
        text = tf.strings.unicode_transcode(questions, "UTF-8", "UTF-8")
        text_only = text == questions
        text = tf.strings.regex_replace(text, "[ßẞ]", "ss")
        text = tf.strings.regex_replace(text, _SPACE, " ")
        text = tf.strings.regex_replace(text, _ALONE, r" \0 ")
        words = tf.strings.split(tf.strings.lower(text, encoding="utf-8"))
        counts = tf.cast(words.row_lengths(), tf.int32)
        read = words[:, : self.length].to_tensor("", shape=(None, self.length))
        ids = tf.where(read == "", PAD, self.table.lookup(read))
        cut = f"question was cut after {self.length} words"
        status = tf.where(counts > self.length, cut, OK)
        named = tf.strings.regex_full_match(read, _WORD)
        partly = (status == OK) & tf.reduce_any((ids == UNKNOWN) & named, axis=1)
        status = tf.where(partly, PARTLY_STRANGE, status)
        readable = tf.reduce_any((ids > UNKNOWN) & named, axis=1)
        status = tf.where(readable, status, STRANGE)
        status = tf.where(tf.reduce_any(named, axis=1), status, EMPTY)
        return ids, tf.where(text_only, status, NOT_TEXT), text_only & readable


def sentences(ids: tf.Tensor, vocabulary: Vocabulary) -> tf.Tensor:
    """Word ids [..., L], up to `END`, -> strings [...], as `Vocabulary.decode` writes them."""
    going_on = tf.cumsum(tf.cast((ids == PAD) | (ids == END), tf.int32), axis=-1) == 0
    words = tf.where(going_on, tf.gather(tf.constant(vocabulary.words), ids), "")
    text = tf.strings.reduce_join(words, axis=-1, separator=" ")
    text = tf.strings.regex_replace(text, r" +$", "")
    text = tf.strings.regex_replace(text, r" ([.,;:!?)\]'-])", r"\1")
    return tf.strings.regex_replace(text, r"([(\['-]) ", r"\1")
