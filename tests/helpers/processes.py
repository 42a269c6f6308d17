"""Real processes for tests, none of which can hang the test or outlive it.

Each process is a group of its own. It ends itself when its time is over, printing where each of its threads was, and is
killed with everything it started should it not even manage that: a process held up in a collective ignores SIGTERM.
"""

from __future__ import annotations

import faulthandler
import functools
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

KILLED_AFTER_S = 5.0  # beyond the time in which a process should have ended itself

# A server that has torch imported and runs no threads: its forks start in no time and inherit no locks.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["lightning.pytorch", "torch.distributed.fsdp", "torch.utils.tensorboard", "lightning_cnnviz"]
)


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its exit code, negative for the signal that ended it.
        output: what it printed, to stdout and stderr.
        seconds: how long it ran.
    """

    code: int | None
    output: str
    seconds: float


def run(target: Callable[..., None], *arguments: Any, directory: Path, timeout: float = 300) -> Ended:
    """Runs a function of a module in one process; ``directory`` takes its output."""
    return _run([{}], target, arguments, directory, timeout)[0]


def run_ranks(
    target: Callable[..., None],
    *arguments: Any,
    directory: Path,
    ranks: int = 2,
    nodes: int = 1,
    timeout: float = 300,
) -> list[Ended]:
    """Runs a function in several processes, which Lightning takes for the ranks of one run.

    Args:
        target: a function of a module.
        arguments: for it.
        directory: takes the output.
        ranks: on each node.
        nodes: of which all are this machine; they meet over the loopback device.
        timeout: in seconds.

    Returns:
        How they ended, node by node.
    """
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    own = [{"NODE_RANK": str(node), "LOCAL_RANK": str(rank)} for node in range(nodes) for rank in range(ranks)]
    return _run([{**shared, **places} for places in own], target, arguments, directory, timeout)


def succeeded(*processes: Ended) -> None:
    """Fails with the output of those that did not end with 0."""
    failed = [process for process in processes if process.code != 0]
    assert not failed, "\n".join(f"exit code {process.code}:\n{process.output}" for process in failed)


def _run(
    environments: list[dict[str, str]],
    target: Callable[..., None],
    arguments: tuple[Any, ...],
    directory: Path,
    timeout: float,
) -> list[Ended]:
    _start_server()
    directory.mkdir(parents=True, exist_ok=True)
    outputs = [directory / f"output{index}.txt" for index in range(len(environments))]
    started = time.monotonic()
    processes = [
        _PROCESSES.Process(target=_child, args=(environment, str(output), timeout, target, arguments))
        for environment, output in zip(environments, outputs, strict=True)
    ]
    try:
        for process in processes:
            process.start()
        deadline = started + timeout + KILLED_AFTER_S
        return [_await(process, output, started, deadline) for process, output in zip(processes, outputs, strict=True)]
    finally:
        for process in processes:
            _kill(process)


@functools.cache
def _start_server() -> None:
    """Its imports take seconds, minutes on a busy machine, which are not the processes' time."""
    first = _PROCESSES.Process(target=int)
    first.start()
    first.join(300)
    assert first.exitcode == 0


def _await(process: BaseProcess, output: Path, started: float, deadline: float) -> Ended:
    process.join(max(0.0, deadline - time.monotonic()))
    seconds = time.monotonic() - started
    _kill(process)
    return Ended(process.exitcode, output.read_text() if output.exists() else "", seconds)


def _kill(process: BaseProcess) -> None:
    if process.pid is None or not process.is_alive():
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has not got as far as making itself a group
        process.kill()
    process.join(KILLED_AFTER_S)


def _child(
    environment: dict[str, str], output: str, timeout: float, target: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    os.setpgid(0, 0)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    faulthandler.dump_traceback_later(timeout, exit=True, file=sys.__stderr__)
    os.environ.update(environment)
    target(*arguments)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
