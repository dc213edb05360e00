"""`python -m igentai_orchestrator` is `igentai`."""

from igentai_orchestrator.cli import main

main()
