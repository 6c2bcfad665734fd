"""`python -m mlci`."""

from mlci.cli import main

if __name__ == "__main__":
    main()
