"""`python -m journeyman`: the same as the `journeyman` command."""

from journeyman.cli import main

main()
