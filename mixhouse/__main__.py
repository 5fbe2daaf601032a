"""The `mixhouse` command, and `python -m mixhouse`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while its modules are still being read ends it in one line too."""
    try:
        from mixhouse import cli  # half a second, in which people press Ctrl-C
    except KeyboardInterrupt:
        sys.stderr.write("mixhouse: interrupted before anything began\n")
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
