"""A process that is forked while a pool is open, by whichever thread, has connections of its own."""

import ctypes
import os

import pytest
from django.db import connection

from guildhall.kernel.postgres.base import close_pools
from guildhall.kernel.tenancy import platform_scope

pytestmark = pytest.mark.integration


def backend() -> int:
    with platform_scope(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


@pytest.mark.usefixtures("database")
def test_a_fork_waits_for_no_pool_of_its_parent() -> None:
    close_pools()  # so that the pool holds this test's connection alone
    ours = backend()
    connection.close()  # it goes back to the pool, which stays open
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(writes, str(backend()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writes)
    with os.fdopen(reads) as told:
        theirs = told.read()
    assert os.waitpid(pid, 0)[1] == 0
    assert int(theirs) != ours
    assert backend() == ours, "the parent's connection lives on"


def test_a_fork_waits_for_threads_that_are_not_quite_over() -> None:
    """Such a thread may hold a lock of OpenSSL's, and a child forked then could connect to nothing, ever."""
    libc, thread = ctypes.CDLL(None), ctypes.c_ulong()
    before = set(os.listdir("/proc/self/task"))
    assert libc.pthread_create(ctypes.byref(thread), None, libc.usleep, ctypes.c_void_p(100_000)) == 0
    (ending,) = set(os.listdir("/proc/self/task")) - before
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert ending not in os.listdir("/proc/self/task")
    assert libc.pthread_join(thread, None) == 0
    assert os.waitpid(pid, 0)[1] == 0
