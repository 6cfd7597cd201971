"""`python -m bothways`: the command line."""

from bothways.cli.__main__ import main

if __name__ == "__main__":
    main()
