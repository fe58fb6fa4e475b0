"""The arguments of a Web API call, whichever way they came: JSON, form or query, with JSON inside strings."""

import json
from typing import Any

from tests.slack_workspace.model import Json
from tests.slack_workspace.refusal import Refusal


class Arguments:
    """Typed look-ups in a call's arguments that refuse as Slack does."""

    def __init__(self, values: Json) -> None:
        self.values = {name: value for name, value in values.items() if value is not None}

    def text(self, name: str) -> str | None:
        """A string argument, None where it is missing or empty."""
        value = self.values.get(name)
        return None if value in (None, "") else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise Refusal.of("invalid_arguments", [f"missing required field: {name}"])
        return value

    def json(self, name: str, error: str = "invalid_arguments") -> Any:
        """An array or object, given as such or as a JSON string. Raises Refusal(error)."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise Refusal(error) from None

    def array(self, name: str, error: str = "invalid_arguments") -> list[Any]:
        value = self.json(name, error)
        if value is None:
            return []
        if not isinstance(value, list):
            raise Refusal(error)
        return value

    def flag(self, name: str) -> bool:
        return str(self.values.get(name, "")).lower() in ("1", "true", "t")

    def number(self, name: str, default: int) -> int:
        try:
            return int(self.values.get(name, default))
        except ValueError:
            raise Refusal.of("invalid_arguments", [f"{name} must be an integer"]) from None

    def words(self, name: str) -> list[str]:
        """A list that is given with commas or as an array."""
        value = self.values.get(name) or []
        return [str(item).strip() for item in (value.split(",") if isinstance(value, str) else value)]
