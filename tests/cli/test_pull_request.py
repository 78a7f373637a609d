"""The comment of a pull request, against a server on this machine that answers as GitHub does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from surgery.cli.main import run
from surgery.cli.pull_request import PullRequest, event_commits
from surgery.errors import ServiceFailed, UsageError
from tests.cli.repository import FREEZE, HEAD, Repository

MARKER = "<!-- surgery review -->"


class Service:
    """Comments of one pull request, and every request that was made."""

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str, str]] = []
        self.refuses = False
        service = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                service.asked.append((self.command, self.path, self.headers["Authorization"]))
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                status, answer = service.answer(self.command, self.path, body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the names that http.server calls

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if self.refuses:
            return 403, {"message": "Resource not accessible by integration"}
        place, _, query = path.partition("?")
        if method == "GET":
            page = int(query.rpartition("page=")[2])
            return 200, self.comments[(page - 1) * 100 : page * 100]
        if method == "POST":
            assert place == "/repos/me/models/issues/7/comments"
            self.add(body["body"])
            return 201, self.comments[-1]
        (found,) = (one for one in self.comments if place == f"/repos/me/models/issues/comments/{one['id']}")
        found["body"] = body["body"]
        return 200, found

    def add(self, body: str, kind: str = "Bot") -> None:
        self.comments.append({"id": len(self.comments) + 1, "body": body, "user": {"type": kind}})


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def environment(service: Service) -> dict[str, str]:
    return {
        "GITHUB_API_URL": service.url,
        "GITHUB_REPOSITORY": "me/models",
        "GITHUB_TOKEN": "secret",
        "SURGERY_PULL_REQUEST": "7",
    }


def test_created_then_updated(service: Service) -> None:
    for number in range(120):
        service.add(f"talk {number}", "User")
    service.add(f"{MARKER} forged by a reader", "User")
    request = PullRequest.of(environment(service))
    assert request.post(f"{MARKER}\none", MARKER) == "created"
    assert request.post(f"{MARKER}\ntwo", MARKER) == "updated"
    assert [one["body"] for one in service.comments if one["user"]["type"] == "Bot"] == [f"{MARKER}\ntwo"]
    assert service.comments[120]["body"].endswith("forged by a reader")
    assert {token for _, _, token in service.asked} == {"Bearer secret"}


def test_a_token_that_may_not_write(service: Service) -> None:
    service.refuses = True
    with pytest.raises(ServiceFailed, match="403"):
        PullRequest.of(environment(service)).post("text", MARKER)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GITHUB_REPOSITORY", "me/models/../../x"),
        ("GITHUB_REPOSITORY", ""),
        ("SURGERY_PULL_REQUEST", "7/../8"),
        ("SURGERY_PULL_REQUEST", "²"),
        ("GITHUB_TOKEN", ""),
    ],
)
def test_an_environment_that_names_no_pull_request(service: Service, name: str, value: str) -> None:
    with pytest.raises(UsageError):
        PullRequest.of({**environment(service), name: value})


@pytest.mark.parametrize("refuses", [False, True])
def test_the_command(
    service: Service,
    refuses: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A fork's token may not write: the review is done all the same."""
    service.refuses = refuses
    made = Repository(tmp_path / "project")
    made.recipe(FREEZE)
    made.commit()
    made.recipe(HEAD)
    monkeypatch.chdir(made.folder)
    for name, value in environment(service).items():
        monkeypatch.setenv(name, value)
    assert run(["review", "HEAD", "--post", "--summary", str(tmp_path / "summary.md")]) == 0
    assert ("The comment is created." in capsys.readouterr().out) is not refuses
    assert len(service.comments) == (not refuses)
    assert "`head`" in (tmp_path / "summary.md").read_text()


@pytest.mark.parametrize(
    ("event", "commits"),
    [
        ({"pull_request": {"base": {"sha": "b"}, "head": {"sha": "h"}}}, ("b", "h")),
        ({"pull_request": None}, ("", "")),
        ({"push": {}}, ("", "")),
        ([], ("", "")),
    ],
)
def test_the_base_is_that_of_the_event(tmp_path: Path, event: Any, commits: tuple[str, str]) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event))
    assert event_commits({"GITHUB_EVENT_PATH": str(file)}) == commits
    assert event_commits({}) == ("", "")
