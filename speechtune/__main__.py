"""`python -m speechtune`: the command line."""

from speechtune.cli import main

main()
