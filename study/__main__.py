"""`python -m study` is the console script `study`."""

from study.cli import main

main()
