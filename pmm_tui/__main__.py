"""`python -m pmm_tui`."""

from pmm_tui.cli import main

main()
