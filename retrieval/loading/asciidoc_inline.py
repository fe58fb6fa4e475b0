"""AsciiDoc's inline mark-up to plain words: link texts without their targets, no index entries, no emphasis."""

import re

_CODE = re.compile(r"`\+?([^`]+?)\+?`")
_CHARACTERS = {
    "nbsp": " ",
    "sp": " ",
    "zwsp": "",
    "empty": "",
    "plus": "+",
    "asterisk": "*",
    "vbar": "|",
    "lt": "<",
}
_CHARACTERS |= {
    "gt": ">",
    "amp": "&",
    "deg": "°",
    "caret": "^",
    "tilde": "~",
    "backtick": "`",
    "startsb": "[",
}
_CHARACTERS |= {
    "endsb": "]",
    "apos": "'",
    "quot": '"',
    "ldquo": "“",
    "rdquo": "”",
    "lsquo": "‘",
    "rsquo": "’",
}
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"image:[^\s\[:][^\s\[]*\[(?:alt=)?\"?([^\],\"]*)[^\]]*\]", r"\1"),
        (
            r"\(\(\((?:[^()]|\([^()]*\))*\)\)\)|indexterm:\[[^\]]*\]|\[\[[^\]]*\]\]|anchor:[^\s\[]*\[[^\]]*\]",
            "",
        ),
        (r"\(\(([^()]+)\)\)|indexterm2:\[([^\]]*)\]", r"\1\2"),
        (r"<<[^,<>]+,\s*([^<>]+)>>", r"\1"),
        (r"<<#?([^<>\s]+)>>", r"\1"),
        (r"(?:link|xref|mailto):[^\s\[]*\[(?:\"([^\"]*)\"|([^\],]+))[^\]]*\]", r"\1\2"),
        (r"(?:link|xref|mailto):([^\s\[]+)\[\]", r"\1"),
        (r"https?://[^\s\[\]]+\[(?:\"([^\"]*)\"|([^\],^]+))[^\]]*\]", r"\1\2"),
        (r"(https?://[^\s\[\]]+)\[\]", r"\1"),
        (r"footnote:\w*\[([^\]]*)\]", r" (\1)"),
        (r"menu:([^\s\[]+)\[([^\]]*)\]", r"\1 > \2"),
        (r"(?:kbd|btn|pass|stem|latexmath|asciimath):\w*\[([^\]]*)\]", r"\1"),
        (r"\+\+\+(.+?)\+\+\+|\+\+(.+?)\+\+", r"\1\2"),
        (r"\[[.\w-]*\](?=[#*_])", ""),
        (r"\*\*(\S(?:.*?\S)?)\*\*|__(\S(?:.*?\S)?)__|##(\S(?:.*?\S)?)##", r"\1\2\3"),
        (r"(?<![\w*])\*(\S(?:[^*]*?\S)?)\*(?![\w*])", r"\1"),
        (r"(?<![\w_])_(\S(?:[^_]*?\S)?)_(?![\w_])", r"\1"),
        (r"(?<![\w#&$])#(\S(?:[^#]*?\S)?)#(?![\w#])", r"\1"),
        (r"(?<![\w+])\+(\S(?:[^+]*?\S)?)\+(?![\w+])", r"`\1`"),
    )
)


def plain(text: str, attributes: dict[str, str]) -> str:
    """The words of a paragraph; code spans stay as they are, attributes that are known are put in."""
    spans: list[str] = []

    def put_aside(code: re.Match[str]) -> str:
        spans.append(f"`{code[1]}`")
        return f"\ue000{len(spans) - 1}\ue001"

    text = re.sub(r"([\"'])`(.+?)`\1", r"\1\2\1", filled(text, attributes))
    text = _CODE.sub(put_aside, text)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    text = text.replace("(C)", "©").replace("\\*", "*").replace("\\_", "_")
    return re.sub("\ue000(\\d+)\ue001", lambda aside: spans[int(aside[1])], text)


def filled(text: str, attributes: dict[str, str]) -> str:
    """The text with the values of the attributes that it names and that are known."""
    values = _CHARACTERS | attributes
    return re.sub(r"\{([\w-]+)\}", lambda match: values.get(match[1].lower(), match[0]), text)
