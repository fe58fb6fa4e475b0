"""The real bot as a process of its own, for what only a process can show: being killed, being loaded, being drawn.

with BotProcess(home, workspace.environment() | {"JOURNEYMAN_MODEL_URL": url}) as bot:
    bot.start()
    bot.kill()
    bot.start()
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self


class BotProcess:
    """`journeyman bot` on `home`, started and ended at will; what it says goes to `log`. None is left at the end."""

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self.home, self.settings = home, settings
        self.log = home.parent / "bot.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def run(self, *arguments: str) -> None:
        """Run another command on the same home to its end; raises CalledProcessError."""
        with self.log.open("ab") as log:
            subprocess.run(
                self._command(*arguments), env=self._environment(), cwd=self.home.parent, check=True, stdout=log
            )

    def start(self) -> None:
        """Start the bot; it is connected some seconds later."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command("bot"),
                env=self._environment(),
                cwd=self.home.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End it as a power cut does: SIGKILL, no last word."""
        self._end_by(signal.SIGKILL)

    def end(self) -> int | None:
        """Ask it to end, and return its exit code; kill it if it does not. None if it was not running."""
        return self._end_by(signal.SIGTERM)

    @property
    def ended(self) -> bool:
        """Whether it ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def said(self) -> str:
        """The end of its log, for the message of a failure."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:] if self.log.exists() else ""

    def _end_by(self, number: signal.Signals) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(number)
        try:
            return process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "journeyman", "--home", str(self.home), *arguments]

    def _environment(self) -> dict[str, str]:
        """Nobody's settings but the caller's; packages come from this checkout."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("JOURNEYMAN_", "SLACK_"))}
        root = str(Path(__file__).parent.parent)
        return ours | {"PYTHONPATH": root, "HF_HUB_OFFLINE": "1"} | dict(self.settings)
