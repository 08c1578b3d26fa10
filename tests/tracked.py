"""Which files make up the repository: what git tracks, and what it would track if it were added now."""

import subprocess
from pathlib import Path


def tracked_files(repository: Path) -> list[Path]:
    """Paths relative to `repository`, sorted; files deleted but not yet committed are left out."""
    # The owner of the checkout and the user who runs the tests need not be the same.
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = sorted({Path(name) for name in listing.stdout.split("\0") if name})
    return [path for path in paths if (repository / path).is_file()]
