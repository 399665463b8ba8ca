"""PgBouncer, for tests and for the torture: two server processes are shared among all, a transaction at a time."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

from sqlalchemy import URL

from tests.postgres.proxy import Proxy
from tests.servers import PATH
from tests.support.ports import free_port


@contextmanager
def pgbouncer(url: URL, role: str, mode: str = "transaction") -> Iterator[URL | None]:
    """Yield the URL of a PgBouncer before a server, and end it; ``None`` where the program is not installed.

    Args:
        url: of the server.
        role: as whom it connects.
        mode: for how long a client keeps a server process: ``"session"``, ``"transaction"`` or ``"statement"``.
    """
    program = shutil.which("pgbouncer", path=PATH)
    if program is None:
        yield None
        return
    upstream = Proxy(url)  # the server may have a socket file alone
    port = free_port()
    # PgBouncer does not run as root, and pytest's own directories are root's alone
    with tempfile.TemporaryDirectory(prefix="tenantguard-pgbouncer-") as folder:
        Path(folder).chmod(0o755)
        Path(folder, "users.txt").write_text("")
        Path(folder, "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={upstream.port} user={role}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nauth_type = any\nauth_file = {folder}/users.txt\npool_mode = {mode}\n"
            "default_pool_size = 2\nunix_socket_dir =\nclient_login_timeout = 10\nquery_wait_timeout = 20\n"
            + ("user = nobody\n" if getpass.getuser() == "root" else "")
        )
        process = subprocess.Popen([program, f"{folder}/pgbouncer.ini"], stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        reader = threading.Thread(target=process.stderr.read, daemon=True)
        try:
            said = list(takewhile(lambda line: "process up" not in line, process.stderr))
            assert process.poll() is None, "".join(said)
            reader.start()  # or a full pipe would stop it
            yield url.set(host="127.0.0.1", port=port, username=role, query={})
        finally:
            process.terminate()
            process.wait(timeout=60)
            if reader.ident is not None:
                reader.join(timeout=60)
            process.stderr.close()
            upstream.close()
