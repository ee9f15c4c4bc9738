"""What can go wrong -> one exception tree; every message carries the value, the reason and the cure."""

_BEGINNING, _END = 500, 300


class DrawbarError(Exception):
    """Everything that Drawbar raises on purpose; the command line prints it without a traceback.

    What a library says of a foreign file may quote all of it: the middle of a long message is left out, and control
    characters are written as escapes.
    """

    def __str__(self) -> str:
        text = super().__str__()
        if not text.isprintable():
            text = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
        if len(text) > _BEGINNING + _END + 80:
            text = f"{text[:_BEGINNING]} ... ({len(text):,} characters) ... {text[-_END:]}"
        return text


class BadInputError(DrawbarError, ValueError):
    """A value that the caller gave cannot be used."""


class AudioFileError(BadInputError):
    """A sound file that cannot be read, is empty, or is not audio."""


class CheckpointError(DrawbarError):
    """A model folder whose files are missing, surplus or mis-shaped."""


class NotSupportedError(DrawbarError):
    """A known thing that Drawbar does not do (a melody or stereo variant, say)."""


class SiteMismatchError(DrawbarError):
    """A bank, SAE or direction that belongs to another model or layer than the loaded one."""


class BankError(DrawbarError):
    """A bank that is missing, damaged or of an unknown version."""


class ControlError(DrawbarError):
    """A control that is missing, or that is the candidate itself."""


class LeakError(DrawbarError):
    """An input that has seen the future which it is meant to foresee."""


class MissingDependencyError(DrawbarError):
    """An optional library or system package is not installed; the message says how to get it."""


class DeviceError(DrawbarError):
    """An audio or compute device is missing, lost or out of memory."""


class NotFiniteError(DrawbarError):
    """Logits that are not finite; the message names the layer and the amounts."""


class InUseError(DrawbarError):
    """A folder that another process is working in; the message says which one."""


class DiskError(DrawbarError):
    """A file that cannot be written or read: the disk is full, read-only, gone, or does not allow it."""


class CancelledError(DrawbarError):
    """Long work that the user stopped."""


class WorkerError(DrawbarError):
    """A fault of Drawbar's own in the playing thread; the log has its traceback."""
