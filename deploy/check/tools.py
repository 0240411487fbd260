"""What the checks share: a command with a bound of time, free ports, processes that end with the check."""

import contextlib
import pathlib
import random
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMMAND_S_MAX = 90
# `next` of one iterator is safe between threads of CPython; no check runs long enough to use them all.
CANDIDATES = iter(random.sample(range(20_000, 32_000), 1_000))


class Failed(Exception):
    """A check found something. The text says what."""


def run(*command, ok=(0,), cwd=ROOT, text=None, env=None, within_s=COMMAND_S_MAX):
    """Runs a command and returns its output. A missing tool, a time-out or another exit code is a failure."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(
            command, cwd=cwd, input=text, env=env, timeout=within_s, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
    except FileNotFoundError as missing:
        raise Failed(f"'{command[0]}' is missing, so nothing was checked with it") from missing
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{' '.join(command)}: not done after {within_s} s") from late
    if done.returncode not in ok:
        raise Failed(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout.strip()}")
    return done.stdout


def refuses(tool, check):
    """The tool must find the mistake that the check plants: one that accepts everything checks nothing."""
    try:
        check()
    except Failed:
        return
    raise Failed(f"{tool} accepted a mistake that was planted")


def free_ports(count):
    """Ports of loopback that are free now, below those that the system gives to connections, and each given out once."""
    found = []
    while len(found) < count:
        port = next(CANDIDATES)
        with contextlib.suppress(OSError), socket.socket() as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind(("127.0.0.1", port))
            found.append(port)
    return found


@contextlib.contextmanager
def process(*command, log, env=None, cwd=None):
    """A process that ends with the block, and with the check itself if that is cut short."""
    bound = ["setpriv", "--pdeathsig", "TERM", *(str(part) for part in command)]
    with open(log, "wb") as out:
        child = subprocess.Popen(bound, stdout=out, stderr=out, env=env, cwd=cwd)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def until(what, condition, seconds):
    """Waits until the condition returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.2)
