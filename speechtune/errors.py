"""Every error speechtune raises on purpose, as one tree.

::

    SpeechTuneError                      anything below; never raised itself
    ├── ConfigError                      a recipe, an option or a setting makes no sense
    │   └── MissingExtraError              a package that only some of the work needs is not installed
    ├── AudioError                       about samples and the files that hold them
    │   ├── UnreadableAudioError           the bytes are missing, damaged, empty, or not audio
    │   └── UnsupportedAudioError          audio of a kind, rate or length we do not take
    ├── DataError                        about a data set
    │   ├── ManifestError                  a manifest or a folder does not have its form
    │   ├── UnknownLabelError              a label that the data or the model does not have
    │   └── UnsplittableError              too few clips or speakers for what was asked
    ├── ModelError                       about encoders and checkpoints
    │   ├── UnknownEncoderError            a name that is neither short name, folder nor hub id
    │   ├── EncoderUnavailableError        a known encoder whose weights are not on this machine
    │   ├── CheckpointNotFoundError        no checkpoint there
    │   ├── CheckpointCorruptError         a checkpoint whose files do not fit their own description
    │   ├── CheckpointIncompatibleError    a sound checkpoint that this version cannot use
    │   └── HubUnavailableError            the Hugging Face hub cannot be asked, or broke off
    ├── TrainingDivergedError            the loss or the weights are no longer finite, or one class took all
    ├── SessionError                     about one live stream
    │   ├── SessionGrammarError            a call or message out of order
    │   └── SessionTooLongError            a configured length was passed
    └── ServiceError                     about the server, not the input
        ├── InvalidRequestError            a field of a request is not taken as it is
        ├── ServiceOverloadedError         a limit is reached; try again later
        ├── ServiceNotReadyError           starting or draining; try again later or elsewhere
        ├── ModelUnavailableError          no such model is served
        ├── NotAuthenticatedError          no key, or not a right one
        ├── NotPermittedError              a right key that may not do this
        └── AddressInUseError              the address to listen on is taken

A message says what was wrong, where, and what to do next. The command line prints it as one line and exits with
`exit_code`: 2 when the input is at fault, 1 when we or the machine are.
"""


class SpeechTuneError(Exception):
    """Root of the tree; catch it to catch everything speechtune raises on purpose."""

    exit_code = 2


class ConfigError(SpeechTuneError):
    """A recipe, an option or a setting makes no sense."""


class MissingExtraError(ConfigError):
    """A package that only some of the work needs is not installed; the message says the command that brings it."""


class AudioError(SpeechTuneError):
    """About samples and the files that hold them."""


class UnreadableAudioError(AudioError):
    """The bytes are missing, damaged, empty, or not audio."""


class UnsupportedAudioError(AudioError):
    """Audio of a kind, rate or length that is not taken."""


class DataError(SpeechTuneError):
    """About a data set."""


class ManifestError(DataError):
    """A manifest or a folder does not have its form."""


class UnknownLabelError(DataError):
    """A label that the data or the model does not have."""


class UnsplittableError(DataError):
    """Too few clips or speakers for what was asked."""


class ModelError(SpeechTuneError):
    """About encoders and checkpoints."""


class UnknownEncoderError(ModelError):
    """A name that is neither a short name, a folder nor a hub id."""


class EncoderUnavailableError(ModelError):
    """A known encoder whose weights are not on this machine."""


class CheckpointNotFoundError(ModelError):
    """No checkpoint there."""


class CheckpointCorruptError(ModelError):
    """A checkpoint whose files do not fit their own description."""


class CheckpointIncompatibleError(ModelError):
    """A sound checkpoint that this version cannot use."""


class HubUnavailableError(ModelError):
    """The Hugging Face hub cannot be asked, or broke off."""

    exit_code = 1


class TrainingDivergedError(SpeechTuneError):
    """The loss or the weights are no longer finite, or one class took everything."""

    exit_code = 1


class SessionError(SpeechTuneError):
    """About one live stream."""


class SessionGrammarError(SessionError):
    """A call or message out of order."""


class SessionTooLongError(SessionError):
    """A configured length was passed."""


class ServiceError(SpeechTuneError):
    """About the server, not the input."""

    exit_code = 1


class InvalidRequestError(ServiceError):
    """A field of a request is not taken as it is; `field` is its path from the request's root."""

    exit_code = 2

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class ServiceOverloadedError(ServiceError):
    """A limit is reached; try again later."""


class ServiceNotReadyError(ServiceError):
    """Starting or draining; try again later or elsewhere."""


class ModelUnavailableError(ServiceError):
    """No such model is served."""


class NotAuthenticatedError(ServiceError):
    """No key, or not a right one."""


class NotPermittedError(ServiceError):
    """A right key that may not do this."""


class AddressInUseError(ServiceError):
    """The address to listen on is taken."""
