"""`python -m tui_trainer` is the command `tuitrain`."""

from tui_trainer.cli.main import main

main()
