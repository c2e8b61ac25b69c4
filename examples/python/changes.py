"""Reads what changed since the last run: changes.py CURSOR FILE"""

import json
import os
import subprocess
import sys


def handle(change: dict) -> None:
    """Replace this. It must succeed if it is called twice for one change."""
    print(change["state"], change["recipient"], change["reason"])


def main(cursor: str, path: str) -> None:
    # If the file exists, the last run did not finish it.
    if not os.path.exists(path):
        subprocess.run(
            ["bouncetail", "export", "--format", "ndjson", "--state", "all", "--cursor", cursor, "-o", path],
            check=True,
        )
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            handle(json.loads(line))
    os.remove(path)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
