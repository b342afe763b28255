"""Letters that the fonts of the paper can print."""

from __future__ import annotations

import string
import unicodedata

from joules.errors import UserError
from joules.study.citation import author_name, citation, citation_file

# Letters of Latin Extended-A that LaTeX's encodings T1 and TS1 lack, and others that they have (t1enc.dfu).
_LACKING, _OTHERS = "ĦħĸĿŀŉŦŧſ", "ȘșȚț‐–—‘’‚“”„†‡•…‰‹›€™"
# Accents of T1 by combining mark: those above a letter, then those below it.
_ACCENTS = dict(
    zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c", "`'^~=u.\"rHv", strict=True)
)
_ACCENTS |= dict(zip("\u0323\u0327\u0328\u0331", "dckb", strict=True))
# Vietnamese letters by their place in the encoding T5 of Latin Modern (lm-t5.enc).
_FIRST, _SECOND = "ÀÁÃẢẠÂẦẤẪẨẬĂẰẮẴẲẶÈÉẼẺẸÊỀẾỄỂỆÌÍĨỈ", "ỊÒÓÕỎỌÔỒỐỖỔỘƠỜỚỠỞỢÙÚŨỦỤƯỪỨỮỬỰỲÝỸ"
_VIETNAMESE = dict(zip("ỶỷỴỵ", range(26, 30), strict=True))
_VIETNAMESE |= dict(zip(_FIRST + _FIRST.lower() + _SECOND + _SECOND.lower(), range(128, 256), strict=True))


def letter_in_latex(letter: str) -> str | None:
    """A letter as LaTeX prints it, whose own signs are the caller's to escape; None if no font has it."""
    if letter.isspace():
        return "~" if letter in "\u00a0\u202f" else " "
    if letter in _OTHERS or (letter < "\u0180" and letter.isprintable() and letter not in _LACKING):
        return letter
    if letter in _VIETNAMESE:
        return f"\\vietnamese{{{_VIETNAMESE[letter]}}}"
    printed, *marks = list(unicodedata.normalize("NFD", letter))
    if printed not in string.ascii_letters or not set(marks) <= set(_ACCENTS):
        return None
    for mark in sorted(marks, key=list(_ACCENTS).index):
        printed = f"\\{_ACCENTS[mark]}{{{printed}}}"
    return printed


def vietnamese_letter(place: int) -> str:
    """The letter at a place of the encoding T5, as `\\vietnamese` is handed it."""
    return next(letter for letter, its_place in _VIETNAMESE.items() if its_place == place)


def check_citation() -> None:
    """Raises UserError if the title or an author in `CITATION.cff` has a letter that no font has."""
    cited = citation()
    for text in (str(cited["title"]), *map(author_name, cited["authors"])):
        for letter in unicodedata.normalize("NFC", text):
            if letter_in_latex(letter) is None:
                raise UserError(
                    f"{citation_file().name}: the fonts of the paper have no '{letter}' ('{text}'): write it "
                    "in Latin letters (an author's own spelling can be given as 'alias')"
                )
