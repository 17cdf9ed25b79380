"""A checkpoint, or what was made of it for `transformers`, put on the Hugging Face hub. Needs no torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from speechtune.errors import CheckpointCorruptError, ConfigError, HubUnavailableError
from speechtune.models.checkpoints.files import CARD_FILE, FILES, read_summary
from speechtune.models.checkpoints.hub import parse_hub_name, reason_of
from speechtune.models.checkpoints.model_card import CardFigure, updated_metadata, write_card
from speechtune.ordinary_files import read_ordinary

TRANSFORMERS_FILES = frozenset(
    {"config.json", "model.safetensors", "modeling_speechtune.py", "preprocessor_config.json", CARD_FILE}
)
"""What `export --format transformers` writes."""

_REFUSED = (401, 402, 403)


def push_to_hub(
    folder: Path,
    repository: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    message: str | None = None,
    figures: Sequence[CardFigure] = (),
    datasets: Sequence[str] = (),
) -> str:
    """Upload a checkpoint's folder to the Hugging Face hub, in one commit; the repository is made if it is not there.

    A folder that `export --format transformers` wrote is uploaded as well. The card is the folder's own. Where nobody
    edited that of a checkpoint, it is written anew with the name of the repository and with the figures; else figures
    and data sets are added to its metadata. The folder itself stays as it is.

    Args:
        folder: of the checkpoint, or the one for `transformers`.
        repository: organisation/name.
        private: whether only its owners see a new repository. Defaults to what the organisation has set.
        token: of a user who may write there. Defaults to the variable HF_TOKEN, or to the login of this machine.
        message: of the commit.
        figures: what to say in the card besides what the checkpoint knows of itself.
        datasets: ids on the hub of what the checkpoint learnt from.

    Returns:
        The address of the repository.

    Raises:
        CheckpointNotFoundError, CheckpointCorruptError, CheckpointIncompatibleError: the folder is no sound checkpoint.
        ConfigError: the repository cannot be called so, there is no token, or the hub refuses it.
        HubUnavailableError: the hub cannot be reached, or broke off; nothing was changed there.
    """
    name = parse_hub_name(repository)
    if name is None or name.revision is not None:
        raise ConfigError(f"push {repository!r}: cannot be a Hugging Face id; write organisation/name")
    if folder.is_file():
        raise ConfigError(f"push {folder}: is a file; name the checkpoint's folder")
    with _copied(folder, repository, figures, datasets) as staging:
        return _upload(staging, repository, private, _token(token), message or f"Upload {name.name} with speechtune")


@contextmanager
def _copied(folder: Path, repository: str, figures: Sequence[CardFigure], datasets: Sequence[str]) -> Iterator[Path]:
    """A copy with its card finished: what is uploaded is one model, even if it is replaced now.

    Nothing else that lies in the folder is copied.
    """
    names = TRANSFORMERS_FILES if _is_for_transformers(folder) else FILES
    if names is FILES:
        read_summary(folder)
    with TemporaryDirectory(prefix="speechtune-") as place:
        staging = Path(place)
        for name in sorted(names):
            try:
                shutil.copyfile(folder / name, staging / name)
            except FileNotFoundError as error:
                if name != CARD_FILE:
                    raise CheckpointCorruptError(f"push {folder}: {name} is missing; make the folder again") from error
        card = staging / CARD_FILE
        text = card.read_text(encoding="utf-8") if card.is_file() else ""
        if names is FILES:
            description = read_summary(staging).description
            if text in ("", write_card(description, folder.resolve().name)):
                text, figures, datasets = (
                    write_card(description, repository, figures=figures, datasets=datasets),
                    (),
                    (),
                )
        text = text.replace(json.dumps(folder.resolve().name), json.dumps(repository))
        text = updated_metadata(text, figures=figures, datasets=datasets, name=repository)
        card.write_text(text, encoding="utf-8")
        yield staging


def _is_for_transformers(folder: Path) -> bool:
    """Whether `export --format transformers` wrote the folder."""
    try:
        settings = json.loads(read_ordinary(folder / "config.json"))
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and settings.get("model_type") == "speechtune"


def _token(token: str | None) -> str:
    from huggingface_hub import get_token

    known = token or get_token()
    if known is None:
        raise ConfigError(
            "push: no token for the Hugging Face hub; set the variable HF_TOKEN to one that may write, or log in with: "
            "hf auth login"
        )
    return known


def _upload(staging: Path, repository: str, private: bool | None, token: str, message: str) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub import errors as hub_errors

    # The root of the errors of whichever HTTP library this version of the hub's client uses.
    http_error: type[Exception] = hub_errors.HTTPError  # type: ignore[attr-defined]
    hub = HfApi(token=token)
    try:
        address = hub.create_repo(repository, private=private, exist_ok=True)
        hub.upload_folder(repo_id=repository, folder_path=staging, commit_message=message)
    except hub_errors.HFValidationError as error:
        raise ConfigError(f"push {repository!r}: cannot be a Hugging Face id ({error})") from error
    except hub_errors.HfHubHTTPError as error:
        if error.response.status_code in _REFUSED:
            raise ConfigError(
                f"push {repository}: the Hugging Face hub refuses it ({reason_of(error)}); use a token that may write "
                "there, or log in with: hf auth login"
            ) from error
        raise HubUnavailableError(f"push {repository}: the Hugging Face hub broke off ({reason_of(error)})") from error
    # The upload of a large file wraps whatever went wrong in a RuntimeError.
    except (OSError, http_error, RuntimeError) as error:
        raise HubUnavailableError(
            f"push {repository}: the Hugging Face hub cannot be reached ({reason_of(error)}); connect to the internet "
            "and run it again"
        ) from error
    return str(address)
