"""`python -m surgery.cli`."""

from surgery.cli import main

if __name__ == "__main__":
    main()
