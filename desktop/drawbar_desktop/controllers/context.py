"""What the parts of the application share: the desk, what is loaded, jobs, and how to tell the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from drawbar.errors import DrawbarError
from drawbar_desktop.services.interfaces import EnginePort, Loaded
from drawbar_desktop.services.jobs import Jobs
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.interfaces import FeatureLike
from drawbar_desktop.state.notices import Answer
from drawbar_desktop.state.rack import feature_title


@dataclass
class Links:
    """Handed to every controller; `loaded` is None until something is."""

    desk: Desk
    jobs: Jobs
    loaded: Loaded | None = None
    features: dict[str, FeatureLike] = field(default_factory=dict)

    @property
    def engine(self) -> EnginePort | None:
        """The engine, if it runs."""
        return self.loaded.engine if self.loaded is not None else None

    def tell(self, text: str) -> None:
        """A line in the status bar."""
        self.desk.notices.tell(text)

    def ask(self, key: str, words: str, *answers: Answer, sign: str = "information-outline") -> None:
        """A question across the window."""
        self.desk.notices.ask(key, words, *answers, sign=sign)

    def settle(self, key: str) -> None:
        """The question's reason is gone."""
        self.desk.notices.settle(key)

    def feature(self, id: str) -> FeatureLike | None:
        """A feature's row; None when the bank has none of that id."""
        bank = self.desk.library.bank
        if id not in self.features and bank is not None:
            try:
                self.features[id] = bank.feature(id).row
            except DrawbarError:
                return None
        return self.features.get(id)

    def resolve(self, id: str) -> tuple[FeatureLike, tuple[float, float] | None] | None:
        """A feature's row and usable range."""
        bank = self.desk.library.bank
        if bank is None:
            return None
        try:
            feature = bank.feature(id)
        except DrawbarError:
            return None
        return feature.row, feature.usable_range

    def title_of(self, id: str) -> str:
        """A feature's name."""
        feature = self.feature(id)
        return feature_title(feature) if feature else id

    @contextmanager
    def told(self) -> Iterator[None]:
        """What is refused is said in the status line."""
        try:
            yield
        except (DrawbarError, OSError) as error:
            self.tell(str(error))

    def tell_error(self, _: object, error: Exception | None) -> None:
        """The answer of a job that returns nothing of interest."""
        if error is not None:
            self.tell(str(error))
