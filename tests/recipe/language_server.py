"""A session with yaml-language-server, which is what editors ask about a YAML file."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.conftest import REPOSITORY

VERSION = "1.25.0"
FOLDER = REPOSITORY / ".cache/yaml-language-server"
SECONDS = 60


def server() -> list[str] | None:
    """The command of the server: in the cache, or on this machine. It is fetched only where SURGERY_NPM=1 says so."""
    node, npm = shutil.which("node"), shutil.which("npm")
    program = FOLDER / "node_modules/yaml-language-server/bin/yaml-language-server"
    if node and npm and not program.exists() and os.environ.get("SURGERY_NPM") == "1":
        command = [npm, "install", "--prefix", str(FOLDER), "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run([*command, f"yaml-language-server@{VERSION}"], check=True, capture_output=True)
    if node and program.exists():
        return [node, str(program), "--stdio"]
    found = shutil.which("yaml-language-server")
    return [found, "--stdio"] if found else None


class Session:
    """One server, one file."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._told: queue.Queue[dict[str, Any]] = queue.Queue()
        self._number = 0
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self._folder = folder
        self.ask("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": _CAPABILITIES})
        self.tell("initialized", {})

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._thread.join(10)
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def open(self, text: str) -> str:
        """Opens a file with this text; says its address."""
        path = self._folder / f"recipe-{self._number}.yaml"
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})
        return path.as_uri()

    def at(self, method: str, text: str, mark: str = "‸") -> Any:
        """What the server says at the mark of a text."""
        before = text[: text.index(mark)].split("\n")
        place = {"line": len(before) - 1, "character": len(before[-1])}
        uri = self.open(text.replace(mark, ""))
        return self.ask(f"textDocument/{method}", {"textDocument": {"uri": uri}, "position": place})

    def diagnostics(self, text: str) -> list[dict[str, Any]]:
        """What is underlined in a text."""
        uri = self.open(text)
        while True:
            message = self._next()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                found: list[dict[str, Any]] = message["params"]["diagnostics"]
                return found

    def ask(self, method: str, parameters: Any) -> Any:
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": parameters})
        while True:
            message = self._next()
            if message.get("id") == number and "method" not in message:
                return message.get("result")

    def tell(self, method: str, parameters: Any) -> None:
        self._number += 1
        self._send({"method": method, "params": parameters})

    def _next(self) -> dict[str, Any]:
        """The next message; a question of the server is answered on the way."""
        message = self._told.get(timeout=SECONDS)
        if "id" in message and "method" in message:
            items = message.get("params", {}).get("items", [])
            answer = [_SETTINGS.get(item.get("section", ""), {}) for item in items]
            self._send(
                {"id": message["id"], "result": answer if message["method"] == "workspace/configuration" else None}
            )
        return message

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self._process.stdin.flush()

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while line := stream.readline():
            length = int(line.split(b":")[1])
            while stream.readline().strip():
                pass
            self._told.put(json.loads(stream.read(length)))


_CAPABILITIES = {
    "workspace": {"configuration": True},
    "textDocument": {
        "hover": {"contentFormat": ["markdown"]},
        "completion": {"completionItem": {"snippetSupport": True}},
    },
}
_SETTINGS = {"yaml": {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}}
