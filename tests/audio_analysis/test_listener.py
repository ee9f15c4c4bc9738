"""A small chat server on this machine -> names, checks, retries, the budget, and what never leaves or is written."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from drawbar.audio_analysis.audio_llm import BudgetSpentError, Heard, Listener, ListenerSettings
from drawbar.audio_analysis.chat import ChatError
from drawbar.errors import BadInputError

KEY = "sk-very-secret-0123456789"
RATE = 32_000


class Server(ThreadingHTTPServer):
    """Answers from a list; keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: list[tuple[int, dict[str, str], Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        self.server.keys.append(self.headers.get("Authorization"))
        code, headers, reply = self.server.replies.pop(0) if self.server.replies else (200, {}, default(body))
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def said(value: object) -> dict[str, Any]:
    return {"choices": [{"message": {"content": json.dumps(value)}}]}


def answer(name: str = "taiko drums", confidence: float = 0.8) -> dict[str, Any]:
    concepts = [{"name": "drums", "confidence": 0.9}]
    return {
        "name": name,
        "description": "low drums",
        "confidence": confidence,
        "in_controls": False,
        "concepts": concepts,
    }


def loudness(part: dict[str, Any]) -> float:
    audio, _ = soundfile.read(io.BytesIO(base64.b64decode(part["input_audio"]["data"])))
    return float(np.abs(audio).mean())


def default(body: dict[str, Any]) -> dict[str, Any]:
    """Names everything "loud"; judges by loudness."""
    if body["response_format"]["json_schema"]["name"] == "feature":
        return said(answer("loud"))
    parts = [part for part in body["messages"][0]["content"] if part["type"] == "input_audio"]
    return said({"fits": [min(1.0, 2 * loudness(part)) for part in parts]})


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def clip(level: float = 0.5, name: str = "a/one.wav@0s", licence: str = "CC0-1.0") -> Heard:
    time = np.arange(RATE) / RATE
    return Heard((level * np.sin(2 * np.pi * 200 * time)).astype(np.float32), RATE, name, licence)


def listener(server: Server, folder: Path, **changes: Any) -> Listener:
    settings = ListenerSettings(
        endpoint=server.url, model="ears", **{"allow_licences": ("CC0-1.0",), **changes}
    )
    return Listener(settings, folder / "cache", wait=lambda seconds: None)


def test_top_and_control_clips_go_as_marked_audio_parts_and_json_comes_back(
    server: Server, tmp_path: Path
) -> None:
    found = listener(server, tmp_path).name([clip(), clip(0.4)], [clip(0.01)])
    assert (found.name, found.confidence, found.in_controls) == ("loud", 0.8, False)
    assert found.concepts == (("drums", 0.9),)
    (body,) = server.asked
    assert body["model"] == "ears"
    assert body["response_format"]["json_schema"]["strict"] is True
    parts = body["messages"][0]["content"]
    assert [p["text"] for p in parts[1:] if p["type"] == "text"] == ["TOP 1", "TOP 2", "CONTROL 1"]
    sounds = [p["input_audio"] for p in parts if p["type"] == "input_audio"]
    assert {s["format"] for s in sounds} == {"wav"}
    audio, rate = soundfile.read(io.BytesIO(base64.b64decode(sounds[0]["data"])))
    assert (len(audio), rate) == (16_000, 16_000)


def test_equal_questions_are_asked_once_also_by_a_later_run(server: Server, tmp_path: Path) -> None:
    first = listener(server, tmp_path).name([clip()], [clip(0.1)])
    again = listener(server, tmp_path).name([clip()], [clip(0.1)])
    assert again == first
    assert len(server.asked) == 1
    listener(server, tmp_path).name([clip(0.3)], [clip(0.1)])
    assert len(server.asked) == 2


def test_a_busy_server_and_answers_of_another_form_are_tried_again(server: Server, tmp_path: Path) -> None:
    waited: list[float] = []
    server.replies = [
        (429, {"Retry-After": "7"}, {"error": "slow down"}),
        (503, {}, {}),
        (200, {}, b"not json"),
        (200, {}, said({"name": "x"})),
        (200, {}, said(answer())),
    ]
    asking = listener(server, tmp_path)
    asking._wait = waited.append
    assert asking.name([clip()], [clip(0.1)]).name == "taiko drums"
    assert waited[:2] == [7.0, 2.0]
    assert asking.budget.sent_requests == 5


def test_an_endpoint_that_never_answers_well_is_given_up_with_the_reason(
    server: Server, tmp_path: Path
) -> None:
    server.replies = [(500, {}, {"error": "broken"})] * 3
    with pytest.raises(ChatError, match=r"3 tries.*500"):
        listener(server, tmp_path, retries=2).name([clip()], [clip(0.1)])
    server.replies = [(200, {}, said({"fits": [0.5]}))] * 2
    with pytest.raises(ChatError, match="1 figures for 2 clips"):
        listener(server, tmp_path, retries=1).judge("x", [clip(), clip(0.1)])


def test_the_budget_stops_before_it_is_passed(server: Server, tmp_path: Path) -> None:
    asking = listener(server, tmp_path, max_requests=1)
    asking.name([clip()], [clip(0.1)])
    with pytest.raises(BudgetSpentError, match="1 of 1 requests"):
        asking.name([clip(0.2)], [clip(0.1)])
    asking.name([clip()], [clip(0.1)])  # from the cache
    assert len(server.asked) == 1
    with pytest.raises(BudgetSpentError, match="s of audio"):
        listener(server, tmp_path, max_audio_s=2.5).name([clip(0.6), clip(0.7)], [clip(0.1)])


@pytest.mark.parametrize("licence", ["", "unknown", "CC-BY-NC-4.0", "All rights reserved"])
def test_a_clip_that_was_not_allowed_never_leaves(server: Server, tmp_path: Path, licence: str) -> None:
    private = clip(name="private/demo.wav@10s", licence=licence)
    for top, control in (([clip(), private], [clip(0.1)]), ([clip()], [private])):
        with pytest.raises(BadInputError, match=r"private/demo\.wav@10s.*not allowed"):
            listener(server, tmp_path).name(top, control)
    with pytest.raises(BadInputError, match="not allowed"):
        listener(server, tmp_path, allow_licences=("unknown", "")).judge("x", [private])
    assert server.asked == []
    listener(server, tmp_path, allow_clips=("private/*",)).judge("x", [private])
    assert len(server.asked) == 1


def test_the_key_is_sent_in_the_header_and_written_nowhere(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DRAWBAR_LISTENER_KEY", KEY)
    caplog.set_level(0)
    asking = listener(server, tmp_path, retries=0)
    asking.name([clip()], [clip(0.1)])
    assert server.keys == [f"Bearer {KEY}"]
    texts = [repr(asking), repr(vars(asking)), repr(asking.settings), caplog.text]
    server.replies = [(401, {}, {"error": f"Incorrect API key provided: {KEY}"})]
    with pytest.raises(ChatError, match="DRAWBAR_LISTENER_KEY") as refused:
        asking.name([clip(0.3)], [clip(0.1)])
    texts += [str(refused.value), repr(refused.value.__cause__), repr(refused.value.__context__)]
    server.replies = [(200, {}, f'{{"choices": "{KEY}"'.encode())]
    with pytest.raises(ChatError) as garbled:
        asking.name([clip(0.4)], [clip(0.1)])
    texts.append(str(garbled.value))
    texts += [path.read_bytes().decode("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert len(list(tmp_path.rglob("*.json"))) == 1
    assert not [text for text in texts if KEY in text or KEY[3:] in text]


def test_a_redirect_is_refused_so_that_the_key_goes_to_no_other_host(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAWBAR_LISTENER_KEY", KEY)
    other = Server()
    server.replies = [(307, {"Location": other.url + "/chat/completions"}, {})]
    with pytest.raises(ChatError, match="give your key away"):
        listener(server, tmp_path).name([clip()], [clip(0.1)])
    other.server_close()
    assert other.asked == []


def test_settings_refuse_what_would_leak_or_cannot_work() -> None:
    for endpoint in (
        "http://example.com/v1",
        "ftp://x",
        "https://me:key@example.com/v1",
        "https://a.b/v1?key=1",
    ):
        with pytest.raises(BadInputError):
            ListenerSettings(endpoint=endpoint, model="m")
    with pytest.raises(BadInputError) as refused:
        ListenerSettings(endpoint="https://a.b/v1", model="m", key_name=KEY)
    assert KEY not in str(refused.value)
    with pytest.raises(BadInputError, match="16 in all"):
        ListenerSettings(top=12, control=8)
