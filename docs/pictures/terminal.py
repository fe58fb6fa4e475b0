"""Draw what a command printed as a picture of a terminal.

    make run 2>&1 < /dev/null | python docs/pictures/terminal.py "make run" docs/pictures/make-run.png

Lines that are one of the example's first questions are bold, as they are on a terminal.
"""

import html
import sys
from pathlib import Path

from render import photograph

QUESTIONS = Path(__file__).parent.parent.parent / "examples" / "questions" / "first.txt"
STYLE = """
body { margin: 0; padding: 14px; background: #fff }
section { background: #1b1f24; color: #d7dce2; border-radius: 8px; padding: 14px 18px 16px;
          font: 13px/1.45 "Liberation Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere }
b { color: #fff } .prompt { color: #7fb77e } .source { color: #8fa3b8 }
"""


def line_html(line: str, questions: set[str]) -> str:
    """One line, with its kind marked."""
    shown = html.escape(line)
    if line.strip() in questions:
        return f"<b>{shown}</b>"
    return f'<span class="source">{shown}</span>' if line.startswith("[") else shown


def main() -> None:
    """Read a command's output from standard input, write a picture."""
    command, picture = sys.argv[1:]
    questions = set(QUESTIONS.read_text(encoding="utf-8").splitlines())
    lines = [line_html(line, questions) for line in sys.stdin.read().strip().splitlines()]
    prompt = f'<span class="prompt">$</span> {html.escape(command)}'
    body = "\n".join([prompt, *lines])
    photograph(f'<!DOCTYPE html><meta charset="utf-8"><style>{STYLE}</style><section>{body}</section>', Path(picture))


if __name__ == "__main__":
    main()
