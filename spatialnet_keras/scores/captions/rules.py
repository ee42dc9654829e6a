"""What is one word: rules that answer as Stanford's PTBTokenizer 3.4.1 does.

The reference scorer runs that tokeniser. The rules were held against its answers for every string
of a few characters, and for some hundred thousand made-up ones. They work on a text whose
characters above ASCII stand for their class (`characters.py`).

The longest match wins, of equally long ones the first. A rule with a group takes only the group as
the word; what follows it is looked at, and counts as length.
"""

import re

from spatialnet_keras.scores.captions.characters import DIGIT, LETTER, MARK

TWO_WORDS = frozenset(("cannot", "gimme", "gonna", "gotta", "lemme", "wanna"))  # three and three

# An abbreviation keeps its dot. With a title before a name ("Dr."), more may follow at once.
_TITLES = """adj adm adv alex assoc asst atty attys ave brig capt cf cie cmdr col comdr cpl dept det
dr drs elec ens ft gen gov govs hon insp invt jos lieut lt maj messrs mlle mme mr mrs ms msgr mt 
natl pfc ph pres prof profs pvt rep reps rev sen sens sfc sgt spc st ste supt supts treas vs wm"""
_OTHERS = """al co ct ga jr ky md mo rd rt sq sr va vt ala apr aug bhd cos dak dec esq est etc ext
feb fla fri inc ind jan jul jun kan ltd mar mon neb nev nov oct plc   sep seq sys tel thu tue
wed wis wyo ariz assn bldg blvd bros colo conn corp intl kans mich minn mont okla penn  
    sept tenn tues univ wisc calif thurs bancorp ed.d ph.d"""
_CAPITAL = "Az La Pa Ark Del Ill Ore Tex Mass Miss Wash"  # states; "la." is not one
_BEFORE_NUMBERS = "art ca fig figs no nos op ph pp prop"
# After "B." and before one of these a sentence begins, and the dot ended another.
_STARTS = """A About According After An As At But Earlier He Her Here However If In It Last Many
More Now Once One Other Our She Since So Some Such That The Their Then There These They This We
What When While Yet You Mr. Ms."""
_ENDINGS = """bat bmp c cgi cpp dll doc docx exe gif gz h htm html jar java jpeg jpg mov pdf php pl
png ppt ps py sql tar txt wav x xml zip"""
_COMPANIES = "mfg mtg pte pty ptes ptys ppte ppty pptes pptys"  # not all in capitals
ABBREVIATIONS = frozenset(
    f"{_TITLES} {_OTHERS} {_CAPITAL} {_COMPANIES} {_BEFORE_NUMBERS}".lower().split()
)


def _any(words: str) -> str:
    return f"(?i:{'|'.join(map(re.escape, sorted(words.split(), key=len, reverse=True)))})"


_TITLE = f"(?:{_any(_TITLES)}|[Mm][ft][Gg])"
_OTHER = "|".join(f"{name[0]}(?i:{name[1:]})" for name in _CAPITAL.split())
_OTHER = f"(?:{_any(_OTHERS)}|[Pp]{{1,2}}[Tt][ey][sS]?|{_OTHER})"
_START = "|".join(f"{word[0]}(?i:{re.escape(word[1:])})" for word in _STARTS.split())
_TAG = (
    r"<(?:[A-Za-z][-A-Za-z0-9:._]*(?:[ \t\u00a0][^>\r\n<&]*)?/?"
    r"|[!?][A-Za-z\-][^>\r\n]*|/[A-Za-z][-A-Za-z0-9:.]*[ \t\u00a0]*)>"
)
_SPACE = r"[ \t\n\u00a0]"
_A = f"A-Za-z{LETTER}"
_D = f"0-9{DIGIT}"
_N = f"[{_A}{_D}]"
_ENTITY = "&[aeiouAEIOU](?i:acute|grave|uml);"
_L = rf"(?:[{_A}{MARK}\u00ad]|{_ENTITY})"
_LD = rf"(?:[{_A}{_D}{MARK}\u00ad]|{_ENTITY})"
_WORD = rf"{_L}{_LD}*(?:[.!?]{_L}{_LD}*)*"
_QUOTE = "(?:['\u0092\u2019]|&apos;)"
_ANY_QUOTE = "(?:['`\u0091\u0092\u2018\u2019\u201b]|&apos;)"
_OPENING = "['`\u0091\u2018\u201b]"
_TAIL = f"{_QUOTE}(?i:[sdm]|ll|re|ve)"
_NOT = f"(?i:n){_ANY_QUOTE}(?i:t)"
_NUMBER = rf"(?:[{_D}]*(?:[.:,\u00ad\u066b\u066c][{_D}]+)+|[{_D}]+)"
_INITIALS = "[A-Z]+(?:(?:&(?i:amp);|[+&])[A-Z]+)+"
_HYPHEN = "[-_\u058a\u2010\u2011]"
_PIECE = f"(?:[dDoOlL]{_ANY_QUOTE}{_N}{{2,}}|{_N}+)"
_JOINED = f"{_PIECE}(?:{_HYPHEN}{_PIECE})*"
_LOOSELY = r"(?=[A-Za-z0-9])[A-Za-z0-9.,]+(?:-[A-Za-z]\.(?:[A-Za-z]\.)+|-[A-Za-z0-9]+)+"
_PART = "[A-Za-z0-9]+(?:-[A-Za-z]+)*"
_BEYOND = r"\s\"<>|"  # what ends a link or an address
_LINK = rf"[^{_BEYOND}(){{}}]"
_ENDS_WELL = r"(?<![-.,!?])"  # the stop of a sentence is not part of a link
_PATH = rf"(?:/[^{_BEYOND}()]{{2,}}{_ENDS_WELL}(?<![{{}}]))?"
_LABEL = rf"[^{_BEYOND}.,!?(){{}}]+"  # between two dots of a host
_NAME = rf"(?:(?![-\x2c-\x5f`'$])[^{_BEYOND}.,!?(){{}}])+"
_IN_MAIL = rf"[^{_BEYOND}\u00a0(){{}}"  # and what the place adds
_MAILBOX = rf"[A-Za-z0-9]{_IN_MAIL}@]*@{_IN_MAIL}]*{_IN_MAIL}.]"
_GAP = "[-\u00a0 ]"
_FEW = "[0-9]{2,4}"
_PHONE = (
    rf"(?:\([0-9]{{2,3}}\)[\u00a0 ]?|(?:\+{{0,2}}{_FEW}{_GAP})?{_FEW}{_GAP})"
    rf"[0-9]{{3,4}}{_GAP}?[0-9]{{3,5}}"
)
_EYE = "[-^x=~<>']"

RULES = tuple(
    re.compile(rule)
    for rule in (
        # don't, boat's
        rf"((?i:[a-z\u00ad]*[a-mo-z\u00ad])){_NOT}",
        _NOT,
        rf"({_WORD}){_TAIL}",
        # <b>, &amp;
        _TAG,
        "&(?i:amp|lt|gt|quot|apos|nbsp|mdash|ndash|#[0-9]+);",
        # trees, U.S.
        _WORD,
        r"[A-Za-z](?:\.[A-Za-z])*\.",
        rf"((?i:(?:canada|eu|japan|korean|non|sino)-u\.s|u\.s\.-u\.(?:k|s\.s\.r))){_SPACE}",
        rf"([A-Za-z])\.{_SPACE}+(?:{_START}|{_TAG}){_SPACE}",
        # o'clock, d'Artagnan, ma'am, '90s
        "('[tT])(?i:is|was)",
        f"{_QUOTE}[nN]{_QUOTE}?",
        f"[lLdDjJ]{_QUOTE}|[yY]{_QUOTE}(?=[A-Za-z])",
        f"[lLdDoO]{_ANY_QUOTE}{_N}{{2,}}",
        f"[A-HJ-XZn]{_ANY_QUOTE}[{_A}]{{2,}}",
        f"[{_A}]+[aeiouyAEIOUY]{_ANY_QUOTE}[aeiouA-Z][{_A}]*",
        f"(?i:(?:dunkin|ol|somethin){_QUOTE}|cap{_QUOTE}n|c{_QUOTE}est|o{_ANY_QUOTE}o)",
        r"(?i:c'mon|cont'd\.?|e'er|ev'ry|li'l|nat'l|nor'easter|s'mores)",
        f"{_QUOTE}(?i:em|till?|cause)",
        rf"({_QUOTE}[0-9]{{2}}){_SPACE}",
        f"{_QUOTE}[2-9]0[sS]",
        f"({_TAIL})[^A-Za-z]",
        # links, addresses
        rf"(?i:https?)://{_LINK}{{2,}}{_ENDS_WELL}",
        rf"(?i:www)(?:\.{_LABEL})+\.[A-Za-z]{{2,4}}{_PATH}",
        rf"(?:{_NAME}\.)+(?i:com|net|org|edu){_PATH}",
        rf"(?:<|&lt;)?{_MAILBOX}(?:>|&gt;)?",
        "@[A-Za-z_][A-Za-z0-9_]*",
        f"#{_L}+",
        # co., 2.jpg
        rf"({_OTHER}\.)[\s\S]{{2}}",
        rf"({_LD}+(?:\.{_LD}+)*\.{_any(_ENDINGS)})[ \t!,.?\n\u00a0]",
        # 1,000 -5 1/2 5-10 and/or well-known 1-800-555-1234
        f"[-+]?{_NUMBER}",
        _JOINED,
        rf"{_PART}(?:\\?/{_PART}){{1,2}}",
        rf"(?:{_TITLE}|{_OTHER})\.",
        _LOOSELY,
        rf"((?:{_WORD}|{_JOINED}|{_LOOSELY}|{_INITIALS})\.)[,;:]",
        "[0-9]{1,2}[-/][0-9]{1,2}[-/][0-9]{2,4}",
        r"[A-Z]+\$",
        _INITIALS,
        _PHONE,
        rf"(?:\+{{0,2}}{_FEW}\.)?{_FEW}\.[0-9]{{3,4}}\.[0-9]{{3,5}}",
        rf"(?:[{_D}]{{1,4}}[- \u00a0])?[{_D}]{{1,4}}\\?[/\u2044][{_D}]{{1,4}}",
        # no. 5
        rf"({_any(_BEFORE_NUMBERS)}\.){_SPACE}?[{_D}]",
        # ... --- ?! C++ :-)
        "-+",
        r"\.\.\.+|\.(?:[ \u00a0]\.){2,4}",
        "[!?]+",
        r"[*]+|_+|\#+|@+",
        r"\\\*",
        r"[Cc]\+\+|[CcFf]\#",
        r"([<>]?[:;=][-o*']?[()DdPpO@|\[\]{\\])[^A-Za-z0-9]",
        f"{_EYE}_{_EYE}",
        rf"\({_EYE}(?:[_.]?{_EYE}|-[-^x=~<>'`])\)",
        f"({_OPENING})[A-Za-z][^ \\t\\n]",
        _TAIL,
        "''|<<|>>",
        "[`\u0091-\u0094\u00ab\u00bb\u2018-\u201f\u2039\u203a]{1,2}",
        "[\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089]+",
        "(?s:.)",
    )
)

# What the next sentence begins with decides about the last word of these.
OPEN_END = re.compile(rf"(?<![A-Za-z])(?:[A-Za-z]|{_any(_BEFORE_NUMBERS)})\.\s*$")
# Of these the apostrophe and the letters are written plainly.
CONTRACTION = re.compile(f"{_TAIL}|{_NOT}")
