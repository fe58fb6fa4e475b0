"""robots.txt as RFC 9309 has it (https://www.rfc-editor.org/rfc/rfc9309), read by Protego."""

import re

from protego import Protego

_NAMES = re.compile(r"^(\s*user[ -]?agent(?:\s*:|\s)\s*)([^#]*)", re.IGNORECASE)


def read_robots(data: bytes, agent: str) -> Protego:
    """The rules that a site has for a crawler.

    All other crawlers count as one. Protego keeps the rules of a group once for each of its names: half a megabyte can
    make that a hundred million. And it takes a group of the beginning of our name for ours.
    """
    ours = agent.partition("/")[0].strip().lower()

    def named(line: re.Match[str]) -> str:
        name = line[2].partition("/")[0].strip().lower()
        return f"{line[1]}{name if name in (ours, '*') else '-'} "

    lines = data.decode("utf-8", errors="replace").removeprefix("\ufeff").splitlines()
    return Protego.parse("\n".join(_NAMES.sub(named, line) for line in lines))
