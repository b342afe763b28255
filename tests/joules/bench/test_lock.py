"""One measurement runs on a machine at a time, also with several users."""

import os

from joules.bench import lock


def test_a_lock_that_another_user_made_is_waited_on(tmp_path, monkeypatch):
    """Read permission is enough to lock; our own lock file is writable for all users."""
    path = tmp_path / "lock"
    monkeypatch.setattr(lock, "lock_path", lambda: path)
    before = os.umask(0o077)
    try:
        with lock.machine_lock("a test", print):
            assert path.stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)
    path.chmod(0o444)
    monkeypatch.setattr(os, "open", without_writing(os.open))
    with lock.machine_lock("another", print):
        pass
    assert path.read_text().startswith("a test")


def without_writing(open_):
    def opened(path, flags, *mode):
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise FileExistsError if flags & os.O_EXCL else PermissionError
        return open_(path, flags, *mode)

    return opened


def test_there_is_one_lock_wherever_temporary_files_go(monkeypatch, tmp_path):
    here = lock.lock_path()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert lock.lock_path() == here
