"""`python -m launcher` is `glaunch`."""

from launcher.cli import main

main()
