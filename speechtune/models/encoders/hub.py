"""Fetches one encoder from the Hugging Face hub, into the hub's own cache on this machine. Needs no torch.

What is in the cache is used as it is, without asking the hub: offline use works, and a model does not change
under its name from one run to the next.
"""

from __future__ import annotations

from pathlib import Path

from speechtune.errors import EncoderUnavailableError, UnknownEncoderError
from speechtune.models.encoders.pretrained_files import (
    INDEX_FILES,
    PICKLED_WEIGHTS,
    PREPROCESSOR_FILE,
    SAFE_WEIGHTS,
    SETTINGS_FILE,
    TOKENIZER_FILE,
    family_of,
    has_weights,
    read_settings,
)

_TIMEOUT_SECONDS = 5.0
_SETTINGS = [SETTINGS_FILE, PREPROCESSOR_FILE, TOKENIZER_FILE]


def fetch_from_hub(name: str) -> Path:
    """The folder of the hub's cache that holds the repository `name`, downloaded if it is not there.

    Raises:
        UnknownEncoderError: the hub has no such repository, or not for this user, or one of a family that there is no
            code for.
        CheckpointCorruptError: its configuration is no JSON object.
        EncoderUnavailableError: it is not in the cache, and the hub cannot be reached or broke off.
    """
    cached = cached_from_hub(name)
    return _download(name) if cached is None else cached


def cached_from_hub(name: str) -> Path | None:
    """The folder of the hub's cache that holds the repository `name`; None where it is not there. Asks nobody.

    Raises:
        UnknownEncoderError: it can be the name of no repository.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        cached = Path(snapshot_download(name, local_files_only=True, allow_patterns=[*_SETTINGS, *SAFE_WEIGHTS]))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise UnknownEncoderError(
            f"encoder {name!r}: no folder of that name is here, and it cannot be a Hugging Face id ({error})"
        ) from error
    return cached if has_weights(cached) and (cached / SETTINGS_FILE).is_file() else None


def _download(name: str) -> Path:
    from huggingface_hub import errors as hub_errors
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, list_repo_files, snapshot_download
    from huggingface_hub.errors import RemoteEntryNotFoundError, RepositoryNotFoundError

    # The root of the errors of whichever HTTP library this version of the hub's client uses.
    http_error: type[Exception] = hub_errors.HTTPError  # type: ignore[attr-defined]

    try:
        # One question without retries and with a time limit: without a network, the answer comes at once.
        get_hf_file_metadata(hf_hub_url(name, SETTINGS_FILE), timeout=_TIMEOUT_SECONDS)
        # The family next, so that gigabytes of a model that cannot be used are never fetched.
        settings = Path(hf_hub_download(name, SETTINGS_FILE, etag_timeout=_TIMEOUT_SECONDS))
        family_of(read_settings(settings.parent, name), name)
        files = list_repo_files(name)
        weights = SAFE_WEIGHTS if any(file.endswith(".safetensors") for file in files) else PICKLED_WEIGHTS
        wanted = [*_SETTINGS, *weights, *INDEX_FILES]
        return Path(snapshot_download(name, etag_timeout=_TIMEOUT_SECONDS, allow_patterns=wanted))
    except (RepositoryNotFoundError, RemoteEntryNotFoundError) as error:
        raise UnknownEncoderError(
            f"encoder {name!r}: no folder of that name is here, and the Hugging Face hub has no model of that name "
            "with a config.json that this user may read; check the name, or log in with: hf auth login"
        ) from error
    except (OSError, http_error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EncoderUnavailableError(
            f"encoder {name!r}: no folder of that name is here, it is not in the cache of the Hugging Face hub, and "
            f"the hub could not be asked ({reason}); connect to the internet, give a local folder, or use a packaged "
            "encoder such as whisper-tiny.en"
        ) from error
