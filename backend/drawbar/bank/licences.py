"""The licence of a clip -> whether a bank that is shared may hold a piece of it.

Codec tokens of an excerpt are a derivative: what forbids sharing or derivatives, and what is unknown, stays at home.
"""

import re

_CREATIVE = re.compile(
    r"(?:creativecommons\.org/licenses/|\bcc[- ]?)(by(?:-(?:nc|sa|nd))*)\b(?:[-/ ]?v?(\d\.\d))?"
)
_FREE = re.compile(
    r"\bcc-?0\b|publicdomain|public domain|\bmit\b|\bapache|\bbsd\b|\bpddl\b|\bunlicense\b|\b0bsd\b"
)


def normal_licence(licence: str) -> str:
    """A Creative Commons licence under its short name, in whatever way it was written; others as they are."""
    text = " ".join(licence.split())
    low = text.casefold().replace("_", "-")
    low = re.sub(r"\bcc[- ]by[- ]", "cc-by-", low)
    if ("zero" in low and "creativecommons" in low) or re.search(r"\bcc-?0\b", low):
        return "CC0-1.0"
    found = _CREATIVE.search(low)
    if found is None:
        return text
    version = f"-{found[2]}" if found[2] else ""
    return f"CC-{found[1].upper()}{version}"


def may_share(licence: str) -> bool:
    """Whether an excerpt under this licence may be passed on with a bank; False for what is not known.

    CC0, public domain, MIT-like and the CC BY family without ND. NC and SA allow sharing under their own
    terms, which the bank names.
    """
    name = normal_licence(licence)
    if name.startswith("CC-BY"):
        return "-ND" not in name
    return bool(_FREE.search(name.casefold()))
