"""A feature's id -> a link that can be copied into a message; a link or an id -> the id."""

MARK = "drawbar://feature/"


def link_of(bank: str, id: str) -> str:
    """The bank's name stands behind the id, for whoever has several."""
    return f"{MARK}{id}#{bank.replace(' ', '-')}"


def id_of(text: str) -> str:
    """What a link names; any other text is given back as it is."""
    return text.strip().removeprefix(MARK).partition("#")[0] if text.strip().startswith(MARK) else text
