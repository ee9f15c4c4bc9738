"""Trials, their key and the listener's answers -> a session on disk: next trial, answer, undo, result at the end.

The same session serves the terminal and the window. It is saved after every answer (temporary name, then rename) and
can be taken up again. Knows no terminal, no window and no model.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from drawbar.bank import Bank
from drawbar.errors import BadInputError
from drawbar.files.atomic_write import write_text
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.files.reading import read_text, shortened, typed_json
from drawbar.listening_test.key import WHY_SEALED, Hidden, open_seal, seal
from drawbar.listening_test.plan import BlindSettings, Trial, plan_trials
from drawbar.listening_test.results import Answer, Tally, chosen_instead, tally, to_csv

_MAX_BYTES = 16 << 20
_KIND = "drawbar blind listening test"


@dataclass(frozen=True)
class _Stored:
    """What stands in a session's file."""

    kind: str
    about: JsonObject
    settings: BlindSettings
    trials: tuple[Trial, ...]
    sealed: str
    commitment: str
    answers: tuple[Answer, ...]
    finished: bool


class BlindSession:
    """One listener's test. Use ``begin`` or ``load``."""

    def __init__(
        self,
        path: Path,
        about: JsonMapping,
        settings: BlindSettings,
        trials: Sequence[Trial],
        sealed: str,
        commitment: str,
        answers: Sequence[Answer] = (),
        finished: bool = False,
    ) -> None:
        self.path = path
        self.about = dict(about)
        """The bank's name and identity, and the model's fingerprint."""
        self.settings = settings
        self.trials = tuple(trials)
        self.commitment = commitment
        """SHA-256 of the salted key, fixed before the first clip is heard."""
        self.finished = finished
        self._sealed, self._key = sealed, open_seal(sealed, commitment)
        self._answers = list(answers)
        if len(self._key) != len(self.trials) or len(self._answers) > len(self.trials):
            raise BadInputError(f"{path} does not fit together: start a new session")

    @classmethod
    def begin(
        cls,
        path: Path,
        bank: Bank,
        settings: BlindSettings | None = None,
        features: Sequence[str] = (),
        *,
        secret: str = "",
    ) -> "BlindSession":
        """Plan a test and write it. Raises BadInputError where a file is there already, and as ``plan_trials``."""
        if path.exists():
            raise BadInputError(f"{path} is there already: go on with it, or choose another name")
        chosen = settings or BlindSettings()
        trials, key = plan_trials(bank, chosen, features, secret=secret)
        about = {"bank": bank.info.name, "identity": bank.identity, "model": bank.info.fingerprint}
        session = cls(path, about, chosen, trials, *seal(key))
        session._save()
        return session

    @classmethod
    def load(cls, path: Path, bank: Bank | None = None) -> "BlindSession":
        """Take a session up. Raises BadInputError for another file, a changed key, or another bank's session."""
        try:
            found = typed_json(_Stored, read_text(path, _MAX_BYTES))
            if found.kind != _KIND:
                raise ValueError(f"it is {shortened(found.kind)}")
            session = cls(
                path,
                found.about,
                found.settings,
                found.trials,
                found.sealed,
                found.commitment,
                found.answers,
                found.finished,
            )
        except (OSError, ValueError) as error:
            if isinstance(error, BadInputError):
                raise
            raise BadInputError(f"{path} is not a session of a blind test ({error})") from error
        if bank is not None and session.about.get("identity") != bank.identity:
            raise BadInputError(
                f"{path} belongs to the bank {session.about.get('bank')!r}, not to {bank.info.name!r}: "
                "its clips cannot be made; open that bank"
            )
        return session

    # Listening

    @property
    def current(self) -> Trial | None:
        """The next trial; None when all are answered."""
        return self.trials[len(self._answers)] if not self.complete else None

    @property
    def answered(self) -> int:
        return len(self._answers)

    @property
    def complete(self) -> bool:
        """Whether every trial has an answer; until ``finish`` the last one can still be taken back."""
        return len(self._answers) == len(self.trials)

    def hidden(self, trial: Trial) -> Hidden:
        """What the clips of a trial are: for making them, never for showing."""
        return self._key[trial.number]

    def answer(
        self, letter: str, plays: Mapping[str, int] | None = None, seconds: float = 0.0
    ) -> Trial | None:
        """Answer the current trial -> the next one. Saved before it returns; raises BadInputError."""
        trial = self.current
        if trial is None:
            raise BadInputError("every trial is answered: finish the session")
        chosen = letter.strip().upper()
        if len(chosen) != 1 or chosen not in trial.letters:
            raise BadInputError(f"answer {letter!r}: choose one of {', '.join(trial.letters)}")
        self._answers.append(Answer(chosen, dict(plays or {}), round(float(seconds), 2)))
        self._save()
        return self.current

    def undo(self) -> Trial:
        """Take the last answer back -> its trial. Raises BadInputError with nothing to take back."""
        if self.finished:
            raise BadInputError("the key has been shown: answers can no longer be taken back")
        if not self._answers:
            raise BadInputError("there is no answer to take back yet")
        self._answers.pop()
        self._save()
        return self.trials[len(self._answers)]

    def finish(self) -> list[Tally]:
        """Show the key -> the result. Raises BadInputError while trials are open."""
        if not self.complete:
            left = len(self.trials) - len(self._answers)
            raise BadInputError(f"{left} trials are not answered yet: the key stays sealed until they are")
        if not self.finished:
            self.finished = True
            self._save()
        return self.results()

    # After the end

    def results(self) -> list[Tally]:
        """Tallies per task, then per feature. Raises BadInputError before the end."""
        return tally(self.trials, self._revealed(), self._answers)

    def chosen_instead(self) -> dict[str, int]:
        """What was taken for the steered clip: steered, bypassed, random -> how often."""
        return chosen_instead(self.trials, self._revealed(), self._answers)

    def csv(self) -> str:
        """A table of all trials; before the end the columns that would tell the key are empty."""
        return to_csv(self.trials, self._key if self.finished else None, self._answers)

    def export(self, path: Path) -> Path:
        write_text(path, self.csv())
        return path

    def _revealed(self) -> tuple[Hidden, ...]:
        if not self.finished:
            raise BadInputError("the key stays sealed until the session is finished")
        return self._key

    def _save(self) -> None:
        content: JsonObject = {
            "kind": _KIND,
            "about": self.about,
            "settings": asdict(self.settings),
            "commitment": self.commitment,
            "finished": self.finished,
            "trials": [asdict(trial) for trial in self.trials],
            "answers": [asdict(answer) for answer in self._answers],
            "sealed_why": WHY_SEALED,
            "sealed": self._sealed,
        }
        if self.finished:
            content["key"] = [asdict(hidden) for hidden in self._key]
        write_text(self.path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
