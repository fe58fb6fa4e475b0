"""Draw a recorded conversation as a picture, with a small renderer for the blocks that the bot uses.

    python docs/pictures/render.py docs/pictures/conversation.json docs/pictures/conversation.png

Needs `chromium` on the PATH, and markdown-it-py and Pillow (both come with the extra `dev`).
"""

import html
import json
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from PIL import Image, ImageChops

Block = dict[str, Any]

EMOJI = {"thumbsup": "👍", "thumbsdown": "👎", "warning": "⚠️", "slightly_smiling_face": "🙂"}
COLOURS = ["#3b6e8f", "#8a5a44", "#5b7f4a", "#7a4f86"]
WIDTH, HEIGHT, SCALE = 820, 3000, 2
STYLE = """
body { margin: 0; background: #fff; color: #1d1c1d; font: 15px/1.46 "Liberation Sans", Arial, sans-serif }
header { padding: 14px 24px; border-bottom: 1px solid #ddd; font-weight: bold; font-size: 17px }
header small { font-weight: normal; color: #616061; font-size: 13px; margin-left: 10px }
main { padding: 10px 24px 22px }
article { display: flex; gap: 10px; padding: 9px 0 }
.face { flex: none; width: 36px; height: 36px; border-radius: 8px; color: #fff; font-weight: bold;
        display: flex; align-items: center; justify-content: center }
.name { font-weight: bold } .app { background: #e8e8e8; color: #616061; border-radius: 3px; font-size: 10px;
        font-weight: bold; padding: 1px 4px; margin-left: 5px; vertical-align: 2px }
time { color: #616061; font-size: 12px; margin-left: 6px }
.body { min-width: 0; flex: 1 } p { margin: 2px 0 6px } .mention { background: #e8f5fa; color: #1264a3;
        border-radius: 3px; padding: 0 2px }
blockquote { margin: 4px 0 8px; padding: 0 0 0 12px; border-left: 4px solid #ddd } blockquote p { margin: 0 }
code { background: #f6f6f6; border: 1px solid #ddd; border-radius: 3px; color: #c01343;
       font-size: 12px; padding: 1px 3px }
hr { border: 0; border-top: 1px solid #ddd; margin: 10px 0 } .context { color: #616061; font-size: 13px }
.section { margin: 4px 0 } .buttons { display: flex; gap: 8px; margin-top: 10px }
.button { border: 1px solid #bbb; border-radius: 6px; padding: 3px 10px; font-size: 13px }
.replies { color: #616061; font-size: 13px; display: flex; align-items: center; gap: 10px; margin: 4px 0 }
.replies::after { content: ""; flex: 1; border-top: 1px solid #ddd }
"""


def mrkdwn(text: str) -> str:
    """Slack's mrkdwn as HTML: its control sequences are escaped by the bot already."""
    shown = re.sub(r"<(https?://[^|>]+)\|([^>]+)>", r'<a href="\1">\2</a>', text)
    shown = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", shown)
    shown = re.sub(r"(?<!\w)\*(\S(?:[^*\n]*\S)?)\*(?!\w)", r"<b>\1</b>", shown)
    shown = re.sub(r"(?<!\w)_(\S(?:[^_\n]*\S)?)_(?!\w)", r"<i>\1</i>", shown)
    shown = re.sub(r":(\w+):", lambda found: EMOJI.get(found[1], found[0]), shown)
    shown = re.sub(r"^(?:&gt;|>) ?(.*)$", r"<blockquote>\1</blockquote>", shown, flags=re.MULTILINE)
    return re.sub(r"\n(?!<blockquote>)", "<br>", shown.replace("</blockquote>\n", "</blockquote>"))


def markdown(text: str) -> str:
    """Markdown, as Slack shows a streamed text."""
    return MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").render(text)


def block_html(block: Block) -> str:
    """One block. Raises KeyError for a kind that the bot does not use."""
    return {
        "divider": lambda: "<hr>",
        "section": lambda: f'<div class="section">{mrkdwn(block["text"]["text"])}</div>',
        "markdown": lambda: markdown(block["text"]),
        "context": lambda: f'<div class="context">{" ".join(mrkdwn(e["text"]) for e in block["elements"])}</div>',
        "context_actions": lambda: buttons(block["elements"]),
        "actions": lambda: buttons(block["elements"]),
    }[block["type"]]()


def buttons(elements: list[Block]) -> str:
    """Buttons in a row; feedback buttons as the thumbs that Slack shows."""
    shown = []
    for element in elements:
        if element["type"] == "feedback_buttons":
            shown += ["👍", "👎"]
        else:
            shown.append(mrkdwn(html.escape(element["text"]["text"])))
    return '<div class="buttons">' + "".join(f'<span class="button">{text}</span>' for text in shown) + "</div>"


def message_html(message: Block, colour: str) -> str:
    """One message with its author and time."""
    name = html.escape(message["name"])
    text = message["text"] and (markdown if message["markdown"] else mrkdwn)(message["text"])
    text = re.sub(r"@Journeyman\b", '<span class="mention">@Journeyman</span>', text)
    badge = '<span class="app">APP</span>' if message["app"] else ""
    time = datetime.fromtimestamp(float(message["ts"]), UTC).strftime("%H:%M")
    blocks = "".join(block_html(block) for block in message["blocks"])
    return (
        f'<article><div class="face" style="background:{colour}">{name[0]}</div><div class="body">'
        f'<span class="name">{name}</span>{badge}<time>{time}</time><div>{text}{blocks}</div></div></article>'
    )


def page(messages: list[Block]) -> str:
    """The whole thread as a page."""
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(dict.fromkeys(m["name"] for m in messages))}
    shown = [message_html(message, colour[message["name"]]) for message in messages]
    root, *replies = shown
    count = f'<div class="replies">{len(replies)} replies</div>'
    return (
        f'<!DOCTYPE html><meta charset="utf-8"><style>{STYLE}</style>'
        f"<header>Thread <small># maintenance</small></header><main>{root}{count}{''.join(replies)}</main>"
    )


def photograph(content: str, picture: Path) -> None:
    """Have Chromium draw a page, and cut off the empty rest below it."""
    with tempfile.TemporaryDirectory() as folder:
        source, drawn = Path(folder) / "page.html", Path(folder) / "page.png"
        source.write_text(content, encoding="utf-8")
        flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
        flags += "--disable-background-networking --disable-component-update --disable-sync "
        flags += f"--window-size={WIDTH},{HEIGHT} --force-device-scale-factor={SCALE}"
        options = [*flags.split(), f"--user-data-dir={folder}/profile", f"--screenshot={drawn}"]
        subprocess.run(["chromium", *options, source.as_uri()], check=True, capture_output=True, timeout=120)
        image = Image.open(drawn).convert("RGB")
    empty = Image.new("RGB", image.size, image.getpixel((0, image.height - 1)))
    _, _, _, bottom = ImageChops.difference(image, empty).getbbox() or (0, 0, 0, image.height)
    cut = image.crop((0, 0, image.width, min(bottom + 20 * SCALE, image.height)))
    cut.quantize(160).save(picture, optimize=True)


def main() -> None:
    """Read a conversation, write a picture."""
    recorded, picture = map(Path, sys.argv[1:])
    photograph(page(json.loads(recorded.read_text(encoding="utf-8"))), picture)


if __name__ == "__main__":
    main()
