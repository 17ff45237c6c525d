"""The program, from a clone: ``python orchestrate.py COMMAND``."""

from changeover.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
