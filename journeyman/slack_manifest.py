"""The Slack app's manifest, as Slack wants it pasted: the file of the bot, for Socket Mode or for HTTP."""

from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import yaml

from journeyman.errors import WrongInput

PATH = "/slack/events"  # where the bot listens for everything


def manifest_text(url: str | None = None) -> str:
    """The YAML; with `url`, a public address, for events over HTTP. Raises WrongInput for another kind of address."""
    text = (files("bot") / "manifest.yaml").read_text(encoding="utf-8")
    if url is None:
        return text
    manifest = over_http(yaml.safe_load(text), url)
    return str(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True))


def over_http(manifest: dict[str, Any], url: str) -> dict[str, Any]:
    """The manifest with `url` wherever Slack is to call us."""
    address = urlsplit(url)
    if address.scheme != "https" or not address.netloc:
        raise WrongInput(f"{url!r} is not a public https address, which Slack needs for events over HTTP.")
    target = url.rstrip("/").removesuffix(PATH) + PATH
    settings = manifest["settings"]
    settings["socket_mode_enabled"] = False
    settings["event_subscriptions"]["request_url"] = target
    settings["interactivity"]["request_url"] = target
    for command in manifest["features"]["slash_commands"]:
        command["url"] = target
    return manifest
