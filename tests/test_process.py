"""process: families of processes that start, live and end together.

Real processes, each family in a program of its own: what forks here would take pytest with it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from families import Family

from minitornado import process
from minitornado.ioloop import IOLoop

pytestmark = pytest.mark.skipif(
    not os.path.isdir("/proc/self"), reason="the processes of a family are looked up in /proc"
)

WAITING = """
    from minitornado.process import fork_processes, task_id
    number = fork_processes({0})
    assert task_id() == number
    say(number, os.getpid())
    wait_for_a_signal()
"""


def members(family: Family, number: int) -> dict[int, int]:
    """{number: pid} of the next children that report themselves."""
    return dict(tuple(map(int, line.split())) for line in family.lines(number))  # type: ignore[misc]


def test_each_child_gets_its_number_and_the_parent_waits_for_all() -> None:
    with Family("""
        from minitornado.process import fork_processes, task_id
        assert task_id() is None
        say(fork_processes(3))
    """) as family:
        assert sorted(family.lines(3)) == ["0", "1", "2"]
        assert family.wait() == 0
        log = family.log()
    assert "tornado.general INFO Starting 3 processes" in log
    for number in range(3):
        assert f"tornado.general INFO child {number} (pid " in log
    assert log.count("exited normally") == 3


@pytest.mark.parametrize("none", ["0", "None", "-1"])
def test_no_number_means_one_process_a_core(none: str) -> None:
    with Family(f"""
        from minitornado import process
        process.cpu_count = lambda: 2
        say(process.fork_processes({none}))
    """) as family:
        assert sorted(family.lines(2)) == ["0", "1"]
        assert family.wait() == 0


def test_the_cores_are_those_that_this_process_may_use() -> None:
    assert process.cpu_count() == len(os.sched_getaffinity(0))


def test_a_child_that_dies_is_started_again_with_its_number() -> None:
    with Family(WAITING.format(2)) as family:
        first = members(family, 2)
        os.kill(first[1], signal.SIGKILL)
        assert (second := members(family, 1)).keys() == {1}
        assert second[1] != first[1]
        family.signal(signal.SIGTERM)
        assert family.wait() == -signal.SIGTERM
        log = family.log()
    assert f"child 1 (pid {first[1]}) killed by signal 9, restarting" in log
    # Told to stop, nobody is restarted, and nobody says so.
    assert f"child 1 (pid {second[1]}) killed by signal 15\n" in log


def test_a_child_that_fails_is_started_again_and_its_status_reported(tmp_path: Path) -> None:
    with Family("""
        from minitornado.process import fork_processes
        fork_processes(1)
        say(os.getpid())
        try:
            os.mkdir(sys.argv[1])
            sys.exit(7)
        except FileExistsError:
            pass
    """, str(tmp_path / "been here")) as family:
        first, second = family.lines(2)
        assert first != second
        assert family.wait() == 0
        assert f"child 0 (pid {first}) exited with status 7, restarting" in family.log()


def test_restarts_end_and_so_do_the_other_children() -> None:
    # Child 0 waits; child 1 fails at once, every time.
    with Family("""
        from minitornado.process import fork_processes
        handlers = [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)]
        try:
            number = fork_processes(2, max_restarts=3)
        except RuntimeError as error:
            say("gave up:", error)
            # The parent's signals are its own again.
            assert handlers == [signal.getsignal(signum) for signum in (15, 2)]
            sys.exit(3)
        if number == 0:
            wait_for_a_signal()
        say("again")
        sys.exit(1)
    """) as family:
        assert family.lines(5) == ["again"] * 4 + ["gave up: Too many child restarts, giving up"]
        assert family.wait() == 3
        assert family.log().count("exited with status 1, restarting") == 4


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_parent_ends_the_whole_family(signum: signal.Signals) -> None:
    with Family(WAITING.format(3)) as family:
        members(family, 3)
        family.signal(signum)
        # Of the same signal, so that who started it sees what happened.
        assert family.wait() == -signum


def test_children_have_the_handlers_that_were_set_before_the_fork() -> None:
    with Family("""
        from minitornado.process import fork_processes
        def stop(signum, frame):
            say("stopped cleanly")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        fork_processes(2)
        say("ready")
        wait_for_a_signal()
    """) as family:
        assert family.lines(2) == ["ready"] * 2
        family.signal(signal.SIGTERM)
        assert family.lines(2) == ["stopped cleanly"] * 2
        assert family.wait() == -signal.SIGTERM
        assert family.log().count("exited normally") == 2


# Both halves of the race that a signal can have with a fork, forced: it strikes at the very
# place, since a thousand random signals may miss it.


def test_a_signal_to_a_child_that_is_not_ready_ends_it_all_the_same() -> None:
    # It gets its signal before it is out of fork_processes(), which must not swallow it.
    with Family("""
        from minitornado import process
        fork = os.fork
        def fork_and_tell_the_child():
            pid = fork()
            if pid == 0:
                os.kill(os.getpid(), signal.SIGTERM)
            return pid
        os.fork = fork_and_tell_the_child
        process.fork_processes(1, max_restarts=0)
        say("lost")
    """) as family:
        family.wait()
        log = family.log()
    assert "killed by signal 15" in log
    assert family._buffer == b""


@pytest.mark.parametrize("strike", ["before", "after"])
def test_a_signal_to_the_parent_at_the_moment_of_a_fork_ends_all(strike: str) -> None:
    with Family(f"""
        from minitornado import process
        fork, forks = os.fork, []
        def fork_and_be_told():
            forks.append(1)
            if len(forks) == 2 and {strike == "before"}:
                os.kill(os.getpid(), signal.SIGTERM)
            pid = fork()
            if pid and len(forks) == 2 and {strike == "after"}:
                os.kill(os.getpid(), signal.SIGTERM)
            return pid
        os.fork = fork_and_be_told
        process.fork_processes(5)
        say("child")
        wait_for_a_signal()
    """) as family:
        assert family.wait() == -signal.SIGTERM
        # Nobody is forked any more once the signal is known.
        assert family.log().count("killed by signal 15") == 2


def test_a_signal_while_a_child_is_waited_for_leaves_nobody_behind() -> None:
    # It comes between the end of wait() and the restart: the new child must not be forgotten.
    with Family("""
        from minitornado import process
        wait = os.waitpid
        def wait_and_be_told(pid, options):
            result = wait(pid, options)
            if result[0]:
                os.kill(os.getpid(), signal.SIGTERM)
            return result
        os.waitpid = wait_and_be_told
        number = process.fork_processes(2)
        if number == 0:
            sys.exit(1)
        wait_for_a_signal()
    """) as family:
        assert family.wait() == -signal.SIGTERM
        assert "restarting" not in family.log()


def test_random_signals_at_random_moments_leave_nobody_behind() -> None:
    for pause in (0.0, 0.05, 0.06, 0.07, 0.08, 0.1):
        with Family(WAITING.format(4)) as family:
            time.sleep(pause)
            family.signal(signal.SIGTERM)
            assert family.wait() == -signal.SIGTERM


def test_a_fork_that_fails_ends_those_that_were_forked() -> None:
    with Family("""
        from minitornado import process
        fork, forks = os.fork, []
        def few():
            forks.append(1)
            if len(forks) == 3:
                raise BlockingIOError(11, "no more processes")
            return fork()
        os.fork = few
        try:
            process.fork_processes(3)
        except BlockingIOError as error:
            say("parent:", error)
            sys.exit(4)
        wait_for_a_signal()
    """) as family:
        assert family.line() == "parent: [Errno 11] no more processes"
        assert family.wait() == 4


def test_children_that_die_in_the_same_moment_are_all_started_again() -> None:
    # While the parent can't listen, so that one SIGCHLD stands for all of them.
    with Family(WAITING.format(3)) as family:
        first = members(family, 3)
        family.signal(signal.SIGSTOP)
        for pid in first.values():
            os.kill(pid, signal.SIGKILL)
        family.signal(signal.SIGCONT)
        assert members(family, 3).keys() == first.keys()
        family.signal(signal.SIGTERM)
        assert family.wait() == -signal.SIGTERM


def test_a_parent_that_was_to_ignore_its_children_looks_after_them_all_the_same() -> None:
    # Some who start programs leave SIGCHLD ignored, and the kernel tells such a parent nothing.
    with Family("""
        from minitornado.process import fork_processes
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        fork_processes(1)
        say(os.getpid(), signal.getsignal(signal.SIGCHLD).name)
        wait_for_a_signal()
    """) as family:
        pid, handler = family.line().split()
        assert handler == "SIG_IGN"  # in the child, it is as before
        os.kill(int(pid), signal.SIGKILL)
        assert family.line() != pid
        family.signal(signal.SIGTERM)
        assert family.wait() == -signal.SIGTERM


def test_a_signal_that_was_to_be_ignored_is_ignored() -> None:
    # A shell script that starts a program in the background has it ignore SIGINT; then Ctrl-C,
    # which is sent to both, is not meant for it.
    with Family("""
        from minitornado.process import fork_processes
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        fork_processes(1)
        say(os.getpid())
        wait_for_a_signal()
    """) as family:
        child = int(family.line())
        family.signal(signal.SIGINT)
        os.kill(child, signal.SIGKILL)
        assert int(family.line()) != child  # there is a new one: the parent has not been stopped
        family.signal(signal.SIGTERM)
        assert family.wait() == -signal.SIGTERM


def test_a_child_of_somebody_elses_making_is_none_of_ours() -> None:
    with Family("""
        from minitornado.process import fork_processes
        if os.fork() == 0:
            os._exit(5)
        if fork_processes(1, max_restarts=0) == 0:
            say("child")
    """) as family:
        assert family.line() == "child"
        assert family.wait() == 0
        assert "Traceback" not in family.log()


def test_what_an_exception_says_in_a_child_is_the_childs() -> None:
    # It must not be taken for the parent's, who ends the family then.
    with Family("""
        from minitornado.process import fork_processes
        fork_processes(1, max_restarts=0)  # of two, the words would be mixed
        raise ValueError("of a child")
    """) as family:
        assert family.wait() == 1
        log = family.log()
    assert "ValueError: of a child" in log
    assert "RuntimeError: Too many child restarts, giving up" in log


def test_a_childs_own_exception_does_not_end_its_siblings() -> None:
    # A handler that raises, and a signal that is there before fork_processes() has returned.
    with Family("""
        from minitornado import process
        def fail(signum, frame):
            raise ValueError("stop")
        signal.signal(signal.SIGTERM, fail)
        fork, forks = os.fork, []
        def fork_and_tell_the_second():
            forks.append(1)
            pid = fork()
            if pid == 0 and len(forks) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return pid
        os.fork = fork_and_tell_the_second
        try:
            process.fork_processes(2)
        except ValueError as error:
            say("child 1:", error)
            sys.exit(0)
        try:
            say("child 0")
            wait_for_a_signal()
        except ValueError:
            say("told to stop as well")
    """) as family:
        assert sorted(family.lines(2)) == ["child 0", "child 1: stop"]
        family.signal(signal.SIGTERM)
        assert family.line() == "told to stop as well"
        assert family.wait() == -signal.SIGTERM


def instance_of_another_thread() -> IOLoop:
    thread = threading.Thread(target=IOLoop.instance)
    thread.start()
    thread.join()
    assert IOLoop.current(instance=False) is None
    return IOLoop.instance()


def test_forking_is_refused_once_there_is_a_loop() -> None:
    makers = (IOLoop.instance, lambda: IOLoop(make_current=True), instance_of_another_thread)
    for make in makers:
        loop = make()
        try:
            with pytest.raises(RuntimeError, match="IOLoop instance has already been initialized"):
                process.fork_processes(2)
        finally:
            loop.close()
            IOLoop.clear_instance()
            IOLoop.clear_current()


def test_forking_twice_is_refused() -> None:
    with Family("""
        from minitornado.process import fork_processes
        fork_processes(1)
        try:
            fork_processes(1)
        except AssertionError as error:
            say(error)
    """) as family:
        assert family.line().startswith("fork_processes() was called before")
        assert family.wait() == 0


def test_children_draw_different_random_numbers() -> None:
    # Python sees to that since 3.7 (it reseeds after a fork), so process.py does nothing.
    with Family("""
        import random
        from minitornado.process import fork_processes
        fork_processes(3)
        say(random.random())
    """) as family:
        assert len(set(family.lines(3))) == 3
        assert family.wait() == 0


def test_a_loop_made_before_the_fork_does_not_start_in_a_child() -> None:
    # Neither current nor the process's, it escapes the check; start() finds it.
    with Family("""
        from minitornado.ioloop import IOLoop
        from minitornado.process import fork_processes
        loop = IOLoop(make_current=False)
        fork_processes(1)
        try:
            loop.start()
        except RuntimeError as error:
            say(error)
    """) as family:
        assert "made before fork()" in family.line()
        assert family.wait() == 0
