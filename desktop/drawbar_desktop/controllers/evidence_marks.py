"""The rack and the open bank -> what the evidence says of its strips: noticeable amounts, and sliders that double."""

from drawbar.bank.duplicates import alike
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.state.evidence import marks_of, read_card


class EvidenceMarks:
    """Asks the bank once for every new set of strips."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._seen: tuple[object, tuple[str, ...]] = (None, ())

    def follow(self) -> None:
        """Strips may have come or gone: tell the rack."""
        bank, rack = self._links.desk.library.bank, self._links.desk.rack
        ids = tuple(rack.ids())
        if self._seen == (bank, ids):
            return
        self._seen = (bank, ids)
        if bank is None:
            rack.set_alike({})
            return
        with self._links.told():
            pages = {id: bank.feature(id) for id in ids}
            rack.set_marks(
                {id: marks_of(read_card(page.evidence), page.row.verdict) for id, page in pages.items()}
            )
            doubled = alike(bank, ids, {id: rack.strip(id).feature.layer for id in ids})
            fresh = [id for id in ids if id in doubled and id not in rack.alike]
            if fresh:
                title, others = self._links.title_of(fresh[-1]), map(self._links.title_of, doubled[fresh[-1]])
                self._links.tell(f"{title} is much the same slider as {' and '.join(others)}: they add up")
            rack.set_alike(doubled)
