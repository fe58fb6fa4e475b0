"""Draw recorded scenes as pictures, with a small renderer for the blocks that the bot uses.

    python docs/pictures/render.py scenes.json docs/pictures

Writes NAME.png for each scene of `record.py`. Needs `chromium` on the PATH, and markdown-it-py and Pillow (both come
with the extra `dev`).
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

EMOJI = {
    "thumbsup": "👍",
    "thumbsdown": "👎",
    "warning": "⚠️",
    "slightly_smiling_face": "🙂",
    "white_check_mark": "✅",
    "sparkles": "✨",
    "hourglass_flowing_sand": "⏳",
}
NAMES: dict[str, str] = {}  # of the recording: how ids of people and channels read
FILES: dict[str, str] = {}  # and its pictures, as data URIs
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
.beside { display: flex; gap: 14px; justify-content: space-between } .beside > .button { flex: none; height: 21px }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 6px 24px }
.danger { color: #b3261e; border-color: #b3261e } .only { color: #616061; font-size: 12px; margin-bottom: 2px }
h2 { font-size: 18px; margin: 14px 0 6px } img { max-width: 100%; border-radius: 6px; margin: 6px 0 }
.modal { width: 520px; margin: 20px auto; border: 1px solid #ccc; border-radius: 10px; box-shadow: 0 4px 18px #0002 }
.modal footer { display: flex; justify-content: flex-end; gap: 8px; padding: 12px 24px; border-top: 1px solid #ddd }
.primary { background: #007a5a; border-color: #007a5a; color: #fff } label { display: block; font-weight: bold;
        margin: 12px 0 4px } label small { font-weight: normal; color: #616061 } .field { border: 1px solid #868686;
        border-radius: 5px; padding: 6px 10px; min-height: 21px; white-space: pre-wrap }
.field.tall { min-height: 66px } .hint { color: #616061; font-size: 12px; margin-top: 3px }
.empty { color: #868686 } .radio { margin: 3px 0 } .task { border: 1px solid #ddd; border-radius: 8px;
        padding: 5px 10px; margin: 4px 0; font-size: 13px }
.replies { color: #616061; font-size: 13px; display: flex; align-items: center; gap: 10px; margin: 4px 0 }
.replies::after { content: ""; flex: 1; border-top: 1px solid #ddd }
"""


def mrkdwn(text: str) -> str:
    """Slack's mrkdwn as HTML: its control sequences are escaped by the bot already."""
    shown = re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", text)
    shown = re.sub(r"<(https?://[^|>]+)\|([^>]+)>", r'<a href="\1">\2</a>', shown)
    shown = re.sub(r"<([@#])(\w+)(?:\|[^>]*)?>", lambda found: mention(found[1] + NAMES.get(found[2], found[2])), shown)
    shown = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", shown)
    shown = re.sub(r"(?<!\w)\*(\S(?:[^*\n]*\S)?)\*(?!\w)", r"<b>\1</b>", shown)
    shown = re.sub(r"(?<!\w)_(\S(?:[^_\n]*\S)?)_(?!\w)", r"<i>\1</i>", shown)
    shown = re.sub(r":(\w+):", lambda found: EMOJI.get(found[1], found[0]), shown)
    shown = re.sub(r"(?:^(?:&gt;|>) ?.*(?:\n|$))+", quoted, shown, flags=re.MULTILINE)
    return shown.strip("\n").replace("\n", "<br>")


def quoted(found: re.Match[str]) -> str:
    """The lines of one block quote."""
    lines = [re.sub(r"^(?:&gt;|>) ?", "", line) for line in found[0].rstrip("\n").split("\n")]
    return f"<blockquote>{'<br>'.join(lines)}</blockquote>"


def mention(text: str) -> str:
    """A person's or channel's name as Slack marks it."""
    return f'<span class="mention">{html.escape(text)}</span>'


def markdown(text: str) -> str:
    """Markdown, as Slack shows a streamed text."""
    return MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").render(text)


def block_html(block: Block) -> str:
    """One block. Raises KeyError for a kind that the bot does not use."""
    return {
        "divider": lambda: "<hr>",
        "header": lambda: f"<h2>{mrkdwn(html.escape(block['text']['text']))}</h2>",
        "section": lambda: section_html(block),
        "markdown": lambda: markdown(block["text"]),
        "context": lambda: f'<div class="context">{" ".join(mrkdwn(e["text"]) for e in block["elements"])}</div>',
        "context_actions": lambda: buttons(block["elements"]),
        "actions": lambda: buttons(block["elements"]),
        "image": lambda: f'<img src="{FILES[block["slack_file"]["id"]]}">',
        "input": lambda: input_html(block),
    }[block["type"]]()


def section_html(block: Block) -> str:
    """A section, with its button beside it."""
    beside = button_html(block["accessory"]) if "accessory" in block else ""
    fields = "".join(f"<div>{mrkdwn(field['text'])}</div>" for field in block.get("fields", []))
    text = mrkdwn(block["text"]["text"]) if "text" in block else ""
    return f'<div class="section beside"><div>{text}<div class="fields">{fields}</div></div>{beside}</div>'


def button_html(element: Block) -> str:
    """One button."""
    style = f" {element['style']}" if "style" in element else ""
    return f'<span class="button{style}">{mrkdwn(html.escape(element["text"]["text"]))}</span>'


def buttons(elements: list[Block]) -> str:
    """Buttons in a row; feedback buttons as the thumbs that Slack shows."""
    shown = []
    for element in elements:
        if element["type"] == "feedback_buttons":
            shown += [f'<span class="button">{thumb}</span>' for thumb in "👍👎"]
        else:
            shown.append(button_html(element))
    return f'<div class="buttons">{"".join(shown)}</div>'


def input_html(block: Block) -> str:
    """A labelled field with what stands in it at first, and the hint below it."""
    optional = " <small>(optional)</small>" if block.get("optional") else ""
    hint = f'<div class="hint">{html.escape(block["hint"]["text"])}</div>' if "hint" in block else ""
    return f"<label>{html.escape(block['label']['text'])}{optional}</label>{field_html(block['element'])}{hint}"


def field_html(element: Block) -> str:
    """Radio buttons, a choice, or a text."""
    if element["type"] == "radio_buttons":
        chosen = element.get("initial_option")
        rows = [("◉" if option == chosen else "○", option["text"]["text"]) for option in element["options"]]
        return "".join(f'<div class="radio">{mark} {html.escape(text)}</div>' for mark, text in rows)
    texts = [option["text"]["text"] for option in element.get("initial_options", [])]
    texts += [element["initial_option"]["text"]["text"]] if "initial_option" in element else []
    texts += [f"@{NAMES.get(person, person)}" for person in element.get("initial_users", [])]
    texts += [element["initial_value"]] if element.get("initial_value") else []
    tall = " tall" if element.get("multiline") else ""
    if texts:
        return f'<div class="field{tall}">{html.escape(", ".join(texts))}</div>'
    hint = element.get("placeholder", {}).get("text", "")
    return f'<div class="field empty{tall}">{html.escape(hint)}</div>'


def message_html(message: Block, colour: str) -> str:
    """One message with its author and time."""
    name = html.escape(message["name"])
    text = message["text"] and (markdown if message["markdown"] else mrkdwn)(message["text"])
    badge = '<span class="app">APP</span>' if message["app"] else ""
    only = '<div class="only">👁 Only visible to you</div>' if message["only_you"] else ""
    time = datetime.fromtimestamp(float(message["ts"]), UTC).strftime("%H:%M")
    tasks = "".join(f'<div class="task">✓ {html.escape(task["title"])}</div>' for task in message["tasks"])
    blocks = "".join(block_html(block) for block in message["blocks"])
    return (
        f'<article><div class="face" style="background:{colour}">{name[0]}</div><div class="body">{only}'
        f'<span class="name">{name}</span>{badge}<time>{time}</time><div>{tasks}{text}{blocks}</div></div></article>'
    )


def thread_html(scene: Block) -> str:
    """A conversation in a channel."""
    messages = scene["messages"]
    colour = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(dict.fromkeys(m["name"] for m in messages))}
    root, *replies = [message_html(message, colour[message["name"]]) for message in messages]
    count = f"{len(replies)} {'reply' if len(replies) == 1 else 'replies'}"
    rest = f'<div class="replies">{count}</div>{"".join(replies)}' if replies else ""
    return f"<header># {html.escape(scene['title'])}</header><main>{root}{rest}</main>"


def modal_html(scene: Block) -> str:
    """A modal with its buttons."""
    view = scene["view"]
    ends = [("button", view.get("close")), ("button primary", view.get("submit"))]
    buttons = "".join(f'<span class="{kind}">{html.escape(text["text"])}</span>' for kind, text in ends if text)
    body = "".join(block_html(block) for block in view["blocks"])
    foot = f"<footer>{buttons}</footer>" if buttons else ""
    title = html.escape(view["title"]["text"])
    return f'<div class="modal"><header>{title}</header><main>{body}</main>{foot}</div>'


def home_html(scene: Block) -> str:
    """The app's Home tab."""
    body = "".join(block_html(block) for block in scene["view"]["blocks"])
    return f"<header>Journeyman <small>Home</small></header><main>{body}</main>"


def page(scene: Block) -> str:
    """A scene as a page."""
    drawn = {"thread": thread_html, "modal": modal_html, "home": home_html}[scene["kind"]](scene)
    return f'<!DOCTYPE html><meta charset="utf-8"><style>{STYLE}</style>{drawn}'


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
    """Read the scenes, write a picture of each."""
    recorded, folder = map(Path, sys.argv[1:])
    everything = json.loads(recorded.read_text(encoding="utf-8"))
    NAMES.update(everything["names"])
    for scene in everything["scenes"]:
        FILES.update(scene.get("files", {}))
        photograph(page(scene), folder / f"{scene['name']}.png")


if __name__ == "__main__":
    main()
