"""Messages -> the JSON answer of an OpenAI-compatible chat endpoint; knows nothing of music.

The key comes from the environment or the keyring when a request is sent. It is kept nowhere: not in the settings, a
file, a log or an error. Redirects are refused, so that it goes to no other host.
"""

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

from drawbar.errors import BadInputError, DrawbarError
from drawbar.files.reading import json_value, shortened

_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504}
_MAX_ANSWER = 4 << 20
_LOCAL = {"localhost", "127.0.0.1", "::1"}


class ChatError(DrawbarError):
    """The endpoint refused, could not be reached, or never gave an answer of the right form."""


@dataclass(frozen=True)
class ChatSettings:
    """Where and how to ask."""

    endpoint: str
    """Up to ``/v1``: ``https://api.openai.com/v1``, ``http://localhost:8000/v1``."""
    model: str
    """The name that the endpoint knows it by."""
    key_name: str = "DRAWBAR_LISTENER_KEY"
    """The environment variable with the key, or its name in the keyring (service ``drawbar``)."""
    retries: int = 4
    """After a busy server, a lost connection or an answer of the wrong form."""
    timeout_s: float = 120.0
    """For one answer."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or not self.model:
            raise BadInputError(
                f"endpoint {self.endpoint!r}, model {self.model!r}: give a URL and a model's name"
            )
        if parts.username or parts.password or parts.query:
            raise BadInputError(
                "the endpoint's URL must not hold a key or a query; put the key into the environment"
            )
        if parts.scheme == "http" and parts.hostname not in _LOCAL:
            raise BadInputError(f"endpoint {parts.hostname}: use https; plain http is for this machine only")
        if not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", self.key_name):
            raise BadInputError(
                "key_name is the NAME of an environment variable in capitals, such as DRAWBAR_LISTENER_KEY; "
                "what was given is none (it is not repeated here, should it be a key)"
            )
        if self.retries < 0 or self.timeout_s <= 0:
            raise BadInputError(f"retries={self.retries}, timeout_s={self.timeout_s}: not negative, above 0")


def find_key(name: str) -> str:
    """The key from the environment, else from the keyring, else nothing (a local server may want none).

    Raises ChatError where there is a keyring that does not answer.
    """
    key = os.environ.get(name, "").strip()
    if key:
        return key
    try:
        import keyring  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return ""
    try:
        return str(keyring.get_password("drawbar", name) or "").strip()
    except Exception as error:  # each keyring has errors of its own
        raise ChatError(
            f"the keyring cannot be asked for {name} ({type(error).__name__}: {shortened(str(error), 200)}): "
            f"unlock it, or set the environment variable {name}"
        ) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Never: the key would go along."""


_opener = urllib.request.build_opener(_NoRedirect)


def ask(
    settings: ChatSettings,
    body: Mapping[str, object],
    check: Callable[[Any], Any],
    *,
    wait: Callable[[float], None] = time.sleep,
    sent: Callable[[], None] = lambda: None,
) -> Any:
    """Post a chat request until its answer parses as JSON and passes ``check`` -> what ``check`` makes of it.

    ``check`` raises ValueError, KeyError or TypeError for a wrong form; ``sent`` is told of every request. Raises
    ChatError.
    """
    key = find_key(settings.key_name)
    if key and (not key.isascii() or not key.isprintable()):
        raise BadInputError(
            f"the key in {settings.key_name} has characters that no header can carry; set it again"
        )
    why = "nothing was sent"
    for attempt in range(settings.retries + 1):
        sent()
        pause = min(2.0**attempt, 30.0)
        try:
            return check(json_value(_content(_post(settings, body, key))))
        except urllib.error.HTTPError as error:
            why = _hidden(f"{error.code} {_said(error)}", key)
            if error.code not in _RETRIED:
                raise ChatError(f"{settings.endpoint} refused: {why}{_cure(error.code, settings)}") from None
            pause = _retry_after(error, pause)
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            why = _hidden(f"{type(error).__name__}: {error}", key)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            why = _hidden(f"the answer has another form than asked for ({error})", key)
        if attempt < settings.retries:
            wait(pause)
    raise ChatError(
        f"{settings.endpoint}: no usable answer in {settings.retries + 1} tries; the last: {why[:300]}"
    )


def _post(settings: ChatSettings, body: Mapping[str, object], key: str) -> Any:
    request = urllib.request.Request(  # noqa: S310 (http or https: ChatSettings takes no other)
        settings.endpoint.rstrip("/") + "/chat/completions",
        data=json.dumps({"model": settings.model, **body}).encode(),
        headers={"Content-Type": "application/json"},
    )
    if key:
        request.add_unredirected_header("Authorization", f"Bearer {key}")
    with _opener.open(request, timeout=settings.timeout_s) as answer:
        text = answer.read(_MAX_ANSWER + 1)
    if len(text) > _MAX_ANSWER:
        raise ValueError(f"more than {_MAX_ANSWER >> 20} MiB")
    return json_value(text)


def _content(answer: Any) -> str:
    text = answer["choices"][0]["message"]["content"]
    if not isinstance(text, str):
        raise ValueError("no text in it")
    text = text.strip()
    if text.startswith("```"):  # some servers fence it whatever they are told
        text = text.strip("`").removeprefix("json")
    return text


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return " ".join(error.read(2000).decode("utf-8", "replace").split())[:200]
    except (OSError, http.client.HTTPException):
        return str(error.reason)


def _hidden(text: str, key: str) -> str:
    """An error text without the key, should a server repeat it."""
    return text.replace(key, "(key)") if key else text


def _cure(code: int, settings: ChatSettings) -> str:
    if code in (401, 403):
        return f"; put a valid key into {settings.key_name}"
    if 300 <= code < 400:
        return "; it wants to send us elsewhere, which would give your key away: use its final address"
    return ""


def _retry_after(error: urllib.error.HTTPError, otherwise: float) -> float:
    try:
        return min(max(float(error.headers.get("Retry-After", "")), 0.0), 120.0)
    except ValueError:
        return otherwise
