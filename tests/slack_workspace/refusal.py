"""Slack's way to say no: what every part of the workspace raises and the Web API turns into its answer."""

from typing import Any


class Refusal(Exception):
    """A request that Slack refuses, with its error code and whatever else stands in the answer."""

    def __init__(self, error: str, **extra: Any) -> None:
        super().__init__(error)
        self.error = error
        self.extra = extra

    @classmethod
    def of(cls, error: str, findings: list[str]) -> "Refusal":
        """A refusal with the reasons that Slack lists in `errors` and `response_metadata.messages`."""
        messages = [f"[ERROR] {finding}" for finding in findings]
        return cls(error, errors=findings, response_metadata={"messages": messages})

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {"ok": False, "error": self.error, **self.extra}
