"""The key of a user: made once, known to nobody else, or not used at all."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from surgery.training.resuming.key import KeyUnusable, is_sealed, key_path, require_key, seal
from surgery.training.resuming.store import open_store


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/surgery/key"


def test_it_is_made_once_for_its_owner_alone(key: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        seals = set(pool.map(lambda _: seal("test", b"content"), range(32)))
    assert len(seals) == 1
    assert (stat.S_IMODE(key.stat().st_mode), stat.S_IMODE(key.parent.stat().st_mode)) == (0o600, 0o700)
    assert len(key.read_bytes()) == 32
    assert list(key.parent.iterdir()) == [key]


def test_a_seal_is_of_one_key_one_purpose_and_one_content(key: Path) -> None:
    made = seal("test", b"content")
    assert is_sealed(made, "test", b"content")
    assert not is_sealed(made, "other", b"content")
    assert not is_sealed(made, "test", b"contents")
    assert not any(is_sealed(odd, "test", b"content") for odd in (None, "", "\u00e9", 1, [made], made.upper()))
    key.write_bytes(b"k" * 32)
    assert not is_sealed(made, "test", b"content")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o666])
def test_a_key_that_others_may_read_or_write_is_none(key: Path, mode: int) -> None:
    made = seal("test", b"content")
    key.chmod(mode)
    with pytest.raises(KeyUnusable, match="others may read or write"):
        require_key()
    assert not is_sealed(made, "test", b"content")


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_may_write_in_holds_none(key: Path, mode: int) -> None:
    require_key()
    key.parent.chmod(mode)
    with pytest.raises(KeyUnusable, match="others may write in"):
        require_key()


def test_what_is_no_key_is_not_replaced(key: Path, tmp_path: Path) -> None:
    key.parent.mkdir(parents=True, mode=0o700)
    for content in (b"", b"k" * 31, b"k" * 33):
        key.write_bytes(content)
        key.chmod(0o600)
        with pytest.raises(KeyUnusable, match="is no key"):
            require_key()
        assert key.read_bytes() == content
    key.unlink()
    (tmp_path / "other").write_bytes(b"k" * 32)
    key.symlink_to(tmp_path / "other")
    with pytest.raises(KeyUnusable):
        require_key()
    key.unlink()
    os.mkfifo(key, 0o600)
    with pytest.raises(KeyUnusable, match="is no key"):
        require_key()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_key_of_another_user_is_none(key: Path) -> None:
    require_key()
    os.chown(key, 12345, 12345)
    with pytest.raises(KeyUnusable, match="belongs to another user"):
        require_key()


def test_a_relative_state_folder_would_be_that_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert key_path() == tmp_path / ".local/state/surgery/key"


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("variable", ["XDG_STATE_HOME", "XDG_CACHE_HOME", "HOME"])
def test_a_machine_that_keeps_nothing_is_a_note(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    if variable == "HOME":
        monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv(variable, str(file))
    store = open_store(wants_cache=True)
    assert (store.folder, store.has_key, len(store.notes)) == (None, variable == "XDG_CACHE_HOME", 1)
    assert str(file) in store.notes[0] or "Not a directory" in store.notes[0]


def test_nobody_at_home_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", _no_home)
    assert "Could not determine home directory" in open_store(wants_cache=True).notes[0]
    monkeypatch.delenv("XDG_STATE_HOME")
    assert "there is no home folder" in open_store(wants_cache=True).notes[0]


def test_who_wants_no_cache_hears_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert open_store(wants_cache=False).notes == ()
