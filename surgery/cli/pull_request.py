"""The one comment that a review leaves in a pull request: made the first time, brought up to date afterwards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from surgery.errors import ServiceFailed, UsageError

PAGE = 100
MOST_PAGES = 50
SECONDS = 30


@dataclass(frozen=True)
class PullRequest:
    """A pull request of GitHub, as the environment of a job names it."""

    api: str
    repository: str
    number: int
    token: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> PullRequest:
        """The one that a job runs for.

        Raises:
            UsageError: the environment names none.
        """
        repository = environment.get("GITHUB_REPOSITORY", "")
        number = environment.get("SURGERY_PULL_REQUEST", "")
        token = environment.get("GITHUB_TOKEN", "")
        if (
            not re.fullmatch(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+", repository)
            or not number.isascii()
            or not number.isdigit()
        ):
            raise UsageError(
                "this job is not about a pull request",
                expected="GITHUB_REPOSITORY as owner/name, and SURGERY_PULL_REQUEST as a number",
                fix="leave --post out, or run it on: pull_request",
            )
        if not token:
            raise UsageError("there is no token to post with", expected="GITHUB_TOKEN", fix="pass github.token")
        return cls(environment.get("GITHUB_API_URL", "https://api.github.com"), repository, int(number), token)

    def post(self, text: str, marker: str) -> str:
        """Leaves a comment, in the place of the one with this marker if there is one.

        Returns:
            created or updated.

        Raises:
            ServiceFailed: GitHub does not take it.
        """
        body = {"body": text}
        for comment in self._comments():
            is_ours = comment.get("user", {}).get("type") == "Bot" and str(comment.get("body")).startswith(marker)
            if is_ours:
                self._ask("PATCH", f"/issues/comments/{int(comment['id'])}", body)
                return "updated"
        self._ask("POST", f"/issues/{self.number}/comments", body)
        return "created"

    def _comments(self) -> Iterator[dict[str, Any]]:
        for page in range(1, MOST_PAGES + 1):
            found = self._ask("GET", f"/issues/{self.number}/comments?per_page={PAGE}&page={page}")
            yield from found
            if len(found) < PAGE:
                return

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        request = Request(
            f"{self.api}/repos/{self.repository}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
                "User-Agent": "surgery",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urlopen(request, timeout=SECONDS) as answer:
                return json.load(answer)
        except HTTPError as error:
            fix = "give the job: permissions: pull-requests: write" if error.code in (401, 403, 404) else "try again"
            raise ServiceFailed(
                f"GitHub answers {error.code} to {method} of the comment", expected="a token that may write", fix=fix
            ) from None
        except (URLError, OSError, ValueError) as error:
            raise ServiceFailed(f"GitHub cannot be asked: {error}", expected="an answer", fix="try again") from None


def event_commits(environment: Mapping[str, str]) -> tuple[str, str]:
    """Base and head of the pull request, as the event of a job names them; empty where no event does."""
    base, head = environment.get("EVENT_BASE", ""), environment.get("EVENT_HEAD", "")
    if not base:
        try:
            event = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_bytes())["pull_request"]
            base, head = str(event["base"]["sha"]), str(event["head"]["sha"])
        except (KeyError, TypeError, ValueError, OSError, RecursionError):
            return "", ""
    return base, head
