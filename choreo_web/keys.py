"""The key that signs sessions and acknowledgement links, where the environment names none."""

import secrets
from contextlib import suppress
from pathlib import Path


def kept_key(folder: Path) -> str:
    """The key that is kept in the data folder, made at the first start, so that ack links outlive a restart."""
    path = folder / "secret-key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        candidate = folder / f".secret-key-{secrets.token_hex(4)}"
        candidate.touch(mode=0o600)
        candidate.write_text(secrets.token_urlsafe(50))
        with suppress(FileExistsError):
            path.hardlink_to(candidate)  # atomic: of two processes that start at once, one key wins
        candidate.unlink()
    return path.read_text().strip()
