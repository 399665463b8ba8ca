"""``python -m tenantguard``: the command line."""

from tenantguard.cli import main

if __name__ == "__main__":
    main()
