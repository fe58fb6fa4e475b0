"""What can go wrong around the parts.

Each message is one sentence for the person at the terminal: what is wrong, and what to do.
"""


class JourneymanError(Exception):
    """Its message tells a person what to do. The command line prints it and exits with `exit_code`."""

    exit_code = 1


class HomeNotWritable(JourneymanError):
    """The home folder cannot be made or written."""


class PartMissing(JourneymanError):
    """A package that this command needs is not installed."""


class ServerFailed(JourneymanError):
    """An embedded server did not start, or cannot use its data."""


class WrongSetting(JourneymanError):
    """A setting has a value that cannot be used."""

    exit_code = 2


class WrongInput(JourneymanError):
    """A file or an argument that a person gave cannot be used."""
