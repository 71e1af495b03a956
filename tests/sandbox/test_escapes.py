"""Programs that try to get out, each on every driver that works here.

A program prints ``tried`` at its end, so that one which never ran is no success.
"""

import asyncio
import re
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import pytest

from agent_engine.tools.quota import MIB, Quota
from agent_engine.tools.sandbox.driver import KilledReason, Language
from agent_engine.tools.sandbox.failures import SandboxError

pytestmark = pytest.mark.needs_sandbox

# Names a program may use in its attempts: ``attempt`` prints what got out, and swallows refusals.
PRELUDE = """
import ctypes, os, socket, sys, time, mmap, signal, subprocess, glob
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, act):
    try:
        got = act()
    except BaseException as error:
        print("held", name, type(error).__name__)
    else:
        if got is None or got is False or (isinstance(got, int) and got < 0):
            print("held", name, got)
        else:
            print("ESCAPED", name, repr(got)[:200])
"""
END = "\nprint('tried')\n"


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes() == b"/bin/cat\0"


def accepted(listener) -> bool:
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        return False
    connection.close()
    return True


async def attempts(run, code: str, **limits):
    ended = await run(PRELUDE + code + END, **limits)
    assert ended.stdout.rstrip().endswith("tried"), ended
    assert "ESCAPED" not in ended.stdout
    return ended


async def test_secrets_in_the_environment_of_processes_cannot_be_read(run, world, driver):
    engines = {"HOSTNAME", "OLDPWD", "container"} if driver.name == "container" else set()
    ended = await attempts(
        run,
        f"engines = {engines}\n"
        """
def read_all():
    texts = []
    for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
        try: texts.append(open(path, errors="replace").read())
        except OSError: pass
    return "".join(texts)
print(read_all())
known = {"PATH", "HOME", "LANG", "PWD", "PYTHONPATH", "TMPDIR", "OPENSSL_CONF", "USER", "TERM"}
known |= {"SHLVL", "_", "LC_CTYPE"} | engines
attempt("names", lambda: sorted(set(os.environ) - known) or None)
""",
    )

    assert world.secret not in ended.stdout


async def test_files_outside_cannot_be_read(run, world, driver):
    # A container has files of its image's own there.
    own = (
        ""
        if driver.name == "container"
        else "/etc/passwd /etc/shadow /etc/ssh /var /home /run /sys"
    )
    bait = str(world.folder / "secret")
    ended = await attempts(
        run,
        f"""
bait = {bait!r}
for prefix in ("", "/proc/self/root", "/proc/1/root", "/proc/{world.pid}/root"):
    attempt("read " + prefix, lambda: open(prefix + bait).read())
os.symlink(bait, "link")
attempt("link", lambda: open("link").read())
attempt("hard", lambda: (os.link(bait, "hard"), open("hard").read()))
for path in "{own} /root".split():
    attempt(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path).read())
for number in range(3, 64):
    attempt(f"descriptor {{number}}", lambda: os.read(number, 100) or None)
""",
    )

    assert world.secret not in ended.stdout
    assert world.secret not in "".join(path.read_text() for path in run.folder.iterdir())


async def test_nothing_outside_can_be_written(run, world, driver):
    bait = str(world.folder)
    # A container's is a small one of its own, in memory.
    code = [] if driver.name == "container" else ["/code"]
    await attempts(
        run,
        f"""
os.symlink({bait!r}, "away")
places = [{bait!r}, "away", "/", "/usr", "/usr/bin", "/etc", "/dev", "/root", "/run", "/var/tmp"]
for place in places + {code!r} + ["/proc/1/root" + {bait!r}]:
    attempt("write " + place, lambda: open(place + "/written", "w").write("x"))
attempt("program", lambda: open(__file__, "a").write("x"))
attempt("chmod", lambda: os.chmod("/usr", 0o777) or os.stat("/usr").st_mode & 0o022 or None)
attempt("core", lambda: open("/proc/sys/kernel/core_pattern", "w").write("|/bin/sh"))
""",
    )

    assert sorted(path.name for path in world.folder.iterdir()) == ["secret", "socket"]


async def test_processes_outside_cannot_be_signalled_or_traced(run, world):
    await attempts(
        run,
        f"""
outside = {world.pid}
PTRACE_ATTACH = 16
# Inside a namespace of its own the same number may be one of the program's own processes.
if not os.access("/proc/1/comm", os.R_OK):
    attempt("kill", lambda: os.kill(outside, signal.SIGKILL) is None and "done")
    attempt("trace", lambda: libc.ptrace(PTRACE_ATTACH, outside, 0, 0))
attempt("trace 1", lambda: libc.ptrace(PTRACE_ATTACH, 1, 0, 0))
local, remote = (ctypes.c_char * 64)(), (ctypes.c_size_t * 2)()
attempt("memory", lambda: libc.process_vm_readv(os.getppid(), remote, 1, remote, 1, 0))
attempt("parents", lambda: os.getppid() > 0 and open(f"/proc/{{outside}}/mem", "rb").read(1))
""",
    )

    assert lives(world.pid)


async def test_killing_everything_in_reach_harms_nobody_outside(run, world):
    ended = await run("kill -KILL -1; echo after", Language.BASH)

    assert ended.exit_code is not None
    assert lives(world.pid)


async def test_nobody_can_be_reached_over_any_kind_of_socket(run, world):
    await attempts(
        run,
        f"""
def call(family, kind, address, text=b"called"):
    with socket.socket(family, kind) as s:
        s.settimeout(1)
        if kind == socket.SOCK_DGRAM:
            s.sendto(text, address)
            return None
        s.connect(address)
        s.sendall(text)
        return "connected"
INET, UNIX = socket.AF_INET, socket.AF_UNIX
attempt("tcp", lambda: call(INET, socket.SOCK_STREAM, ("127.0.0.1", {world.port})))
attempt("udp", lambda: call(INET, socket.SOCK_DGRAM, ("127.0.0.1", {world.port})))
attempt("abstract", lambda: call(UNIX, socket.SOCK_STREAM, "\\0{world.abstract_name}"))
attempt("path", lambda: call(UNIX, socket.SOCK_STREAM, {str(world.folder / "socket")!r}))
attempt("world", lambda: call(INET, socket.SOCK_STREAM, ("192.0.2.1", 80)))
attempt("raw", lambda: socket.socket(INET, socket.SOCK_RAW, 1))
attempt("packet", lambda: socket.socket(17, socket.SOCK_RAW, 3))
interfaces = lambda: [name for _, name in socket.if_nameindex() if name != "lo"]
attempt("interfaces", lambda: interfaces() or None)
attempt("alg", lambda: socket.socket(38, socket.SOCK_SEQPACKET, 0))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM, 0))
""",
    )

    assert not accepted(world.tcp)
    assert not accepted(world.abstract)
    assert not accepted(world.path)
    with pytest.raises(BlockingIOError):
        world.udp.recv(10)


async def test_no_privileges_are_held_and_none_can_be_got(run):
    await attempts(
        run,
        """
NEWUSER, NEWNS = 0x10000000, 0x00020000
attempt("unshare user", lambda: libc.unshare(NEWUSER) == 0 and "done")
attempt("unshare mounts", lambda: libc.unshare(NEWNS) == 0 and "done")
attempt("clone user", lambda: libc.syscall(56, NEWUSER | 17, 0, 0, 0, 0))
attempt("unshare program", lambda: subprocess.run(["unshare", "-Ur", "true"]).returncode == 0)
attempt("mount", lambda: libc.mount(b"none", b"/work", b"tmpfs", 0, 0) == 0 and "done")
attempt("chroot", lambda: os.chroot("/usr") is None and "done")
attempt("setuid", lambda: os.setuid(0) or open("/etc/shadow").read())
attempt("device", lambda: os.mknod("disk", 0o60666, os.makedev(8, 0)) or open("disk").read())
attempt("hostname", lambda: libc.sethostname(b"x", 1) == 0 and "done")
attempt("clock", lambda: time.clock_settime(time.CLOCK_REALTIME, 0) is None and "done")
""",
    )


SYSTEM_CALLS = {
    "bpf": 321,
    "perf_event_open": 298,
    "userfaultfd": 323,
    "io_uring_setup": 425,
    "kexec_load": 246,
    "open_by_handle_at": 304,
    "setns": 308,
    "fsopen": 430,
    "ptrace": 101,
    "shmget": 29,
    "semget": 64,
    "msgget": 68,
}


async def test_system_calls_that_only_attacks_need_are_refused(run):
    calls = "\n".join(
        f"attempt({name!r}, lambda: refused(libc.syscall({number}, 0, 0, 0, 0, 0, 0)))"
        for name, number in SYSTEM_CALLS.items()
    )
    await attempts(
        run,
        f"""
def refused(got):
    code = ctypes.get_errno()  # what the call itself makes of nonsense is another matter
    return None if got < 0 and code in (1, 13, 38) else f"{{got}} {{code}}"
if os.uname().machine == 'x86_64':
    {calls.replace(chr(10), chr(10) + "    ")}
""",
    )


@pytest.mark.only_driver("bubblewrap")
async def test_no_process_inside_is_without_filter_limits_or_with_privileges(run):
    """The program can write the memory of the others, so they must be held as it is."""
    ended = await run(
        """
from pathlib import Path
for folder in sorted(Path("/proc").glob("[0-9]*")):
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    limits = {line[:26].strip(): line[26:].split()[:2]
              for line in (folder / "limits").read_text().splitlines()}
    print(status["Name"].strip(), status["Seccomp"].strip(), status["NoNewPrivs"].strip(),
          int(status["CapEff"], 16), int(status["CapPrm"], 16), int(status["CapBnd"], 16),
          *limits["Max processes"], *limits["Max data size"], *limits["Max core file size"])
"""
    )

    rows = [line.split() for line in ended.stdout.splitlines()]
    assert {row[0] for row in rows} >= {"bwrap", "bash", "python3"}
    held = ["2", "1", "0", "0", "0", "64", "64", str(512 * MIB), str(512 * MIB), "0", "0"]
    assert [row[1:] for row in rows] == [held] * len(rows)


async def test_a_fork_bomb_is_held(run):
    ended = await run(
        PRELUDE
        + """
made = 0
try:
    while made < 500:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        made += 1
except OSError:
    pass
print("made", made)
"""
    )

    assert ended.duration_s < 10
    if ended.killed_reason is None and "made" in ended.stdout:
        assert int(ended.stdout.split()[1]) <= 70


async def test_the_classic_shell_bomb_is_over_at_the_timeout(run):
    started_s = time.monotonic()
    await run("bomb() { bomb | bomb & }; bomb; sleep 20", Language.BASH, timeout_s=1.0)

    assert time.monotonic() - started_s < 8


MEMORY = {
    "one process": "x = bytearray(1 << 30)\nfor i in range(0, 1 << 30, 4096): x[i] = 1",
    "shared mapping": "m = mmap.mmap(-1, 1 << 30)\nfor i in range(0, 1 << 30, 4096): m[i] = 1",
    "a tree": """
for _ in range(5):
    if os.fork() == 0:
        x = bytearray(250_000_000)
        for i in range(0, len(x), 4096): x[i] = 1
        time.sleep(20)
        os._exit(0)
for _ in range(5): assert os.wait()[1] == 0
""",
    "page tables": """
NORESERVE, size = 0x4000, 1 << 39
flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE
try: m = mmap.mmap(-1, size, flags, mmap.PROT_READ)
except OSError: sys.exit("refused at once")
for i in range(0, size, 1 << 21): m[i]
""",
    "files in memory": """
fds = []
for _ in range(20):
    fds.append(os.memfd_create("x"))
    for _ in range(60): os.write(fds[-1], bytes(1 << 20))
""",
}


# Otherwise the program had a fault of its own, and proved nothing.
WANTING = re.compile("MemoryError|refused|Cannot allocate|not implemented|permitted|assert os.w")


@pytest.mark.parametrize("kind", MEMORY)
async def test_more_memory_than_allowed_cannot_be_had(run, kind):
    ended = await run(PRELUDE + MEMORY[kind] + "\nprint('ESCAPED')")

    assert "ESCAPED" not in ended.stdout
    assert ended.exit_code != 0
    assert ended.killed_reason or ended.exit_code > 128 or WANTING.search(ended.stderr), ended


async def test_the_disk_cannot_be_filled(run):
    """Fill every place that can be written to, with large files and with small ones."""
    ended = await run(
        PRELUDE
        + """
total = 0
temp = os.environ.get("TMPDIR", "/tmp")
for place in (".", temp, "/dev/shm", "/", "/dev", "/code", "/run", "/usr", "/var/tmp"):
    for number in range(200):
        try:
            with open(f"{place}/fill{number}", "wb") as file:
                for _ in range(8):
                    file.write(bytes(1 << 20))
                    file.flush()
                    total += 1 << 20
        except OSError:
            break
print("wrote", total >> 20, flush=True)
time.sleep(0.5)
"""
    )

    wrote_mib = int(ended.stdout.split()[1]) if ended.stdout else 0
    assert ended.killed_reason is KilledReason.DISK or wrote_mib <= 97


async def test_files_without_content_cannot_be_made_without_end(run, driver):
    # A container has no watch: what the kernel needs for files counts as its memory, and much of
    # it takes long to fill on a busy machine.
    smaller = {"memory": 64 * MIB} if driver.name == "container" else {}
    ended = await run(
        """
import os
for folder in range(2000):
    os.mkdir(f"d{folder}")
    for number in range(500): os.close(os.open(f"d{folder}/{number}", os.O_CREAT))
print("ESCAPED")
""",
        timeout_s=20.0,
        **smaller,
    )

    assert "ESCAPED" not in ended.stdout
    held = KilledReason.MEMORY if driver.name == "container" else KilledReason.DISK
    assert ended.killed_reason is held


def leftovers() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("treadle-run-*"))


async def test_ten_thousand_levels_of_folders_are_cleared_away(run):
    before = leftovers()
    ended = await run(
        """
import os
open("good.txt", "w").close()
for _ in range(10_000):
    os.mkdir("deep"); os.chdir("deep")
os.chmod(".", 0)
"""
    )

    assert ended.exit_code == 0 or ended.killed_reason is KilledReason.DISK
    assert leftovers() <= before
    assert [path.name for path in run.folder.iterdir()] in ([], ["good.txt"])


async def test_one_file_cannot_be_huge(run):
    ended = await run(
        PRELUDE
        + """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
big = os.open("big", os.O_CREAT | os.O_RDWR)
attempt("sparse", lambda: os.truncate(big, 1 << 30) is None and "done")
def fill():
    with open("big2", "wb") as file:
        for _ in range(80): file.write(bytes(1 << 20)); file.flush()
    return "done"
attempt("written", fill)
os.unlink("big"); os.unlink("big2")
print("tried")
"""
    )

    assert "ESCAPED" not in ended.stdout
    assert "tried" in ended.stdout or ended.killed_reason is KilledReason.DISK


@pytest.mark.parametrize("where", ["", ">&2"])
async def test_a_flood_of_output_is_stopped_and_its_beginning_kept(run, where):
    ended = await run(f"yes {where}", Language.BASH)

    assert ended.killed_reason is KilledReason.OUTPUT
    assert ended.output_truncated
    assert len(ended.stdout + ended.stderr) == MIB
    assert ended.duration_s < 10


async def test_an_endless_loop_is_stopped_at_the_timeout_and_what_it_said_is_kept(run):
    ended = await run("print('begun')\nwhile True: pass", timeout_s=1.0)

    assert ended.timed_out
    assert ended.killed_reason is KilledReason.TIMEOUT
    assert ended.stdout == "begun\n"
    assert ended.exit_code == 137
    assert ended.duration_s < 5


def living(mark: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in path.read_bytes().decode(errors="replace"):
                return True
        except OSError:
            continue
    return False


async def gone(mark: str) -> bool:
    for _ in range(400):
        if not living(mark):
            return True
        await asyncio.sleep(0.01)
    return False


DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {close}
        os.execv("/bin/sleep", ["{mark}", "600"])
    os._exit(0)
print("parent done", flush=True)
{then}
"""


@pytest.mark.parametrize("close", ["pass", "os.closerange(0, 3)"])
@pytest.mark.parametrize("then", ["", "time.sleep(600)"])
async def test_no_daemon_outlives_its_program(run, close, then):
    mark = f"daemon-{uuid4().hex}"
    started_s = time.monotonic()
    code = PRELUDE + DAEMON.format(close=close, mark=mark, then=then)
    ended = await run(code, timeout_s=1.5)

    assert "parent done" in ended.stdout
    assert time.monotonic() - started_s < 8
    assert await gone(mark)


async def test_cancelling_leaves_nothing_running(run):
    mark = f"cancelled-{uuid4().hex}"
    async with asyncio.timeout(15), asyncio.TaskGroup() as group:
        task = group.create_task(run(f"exec -a {mark} sleep 600", Language.BASH))
        while not living(f"{mark}\0"):  # noqa: ASYNC110  there is no event in another process
            await asyncio.sleep(0.01)
        task.cancel()

    assert task.cancelled()
    assert await gone(mark)


BOT = """
import asyncio, sys
from agent_engine.tools.sandbox.driver import Language, SandboxJob, SandboxLimits
from tests.sandbox.conftest import DRIVERS
limits = SandboxLimits(timeout_s=float(sys.argv[3]))
job = SandboxJob(language=Language.BASH, code=sys.argv[2], limits=limits)
asyncio.run(DRIVERS[sys.argv[1]]().run(job))
"""


async def test_nothing_outlives_a_bot_that_is_killed(driver):
    # A container goes on without the bot, to the end of its own time.
    timeout_s = "1.5" if driver.name == "container" else "30"
    mark, before = f"orphan-{uuid4().hex}", leftovers()
    code = f"setsid bash -c 'exec -a {mark} sleep 600' & sleep 600"
    arguments = (sys.executable, "-c", BOT, driver.name, code, timeout_s)
    bot = await asyncio.create_subprocess_exec(*arguments, env={"PYTHONPATH": ":".join(sys.path)})
    async with asyncio.timeout(20):
        while not living(f"{mark}\0"):  # noqa: ASYNC110  there is no event in another process
            await asyncio.sleep(0.01)
    bot.kill()
    await bot.wait()

    assert await gone(mark)
    async with asyncio.timeout(5):
        while leftovers() - before:  # noqa: ASYNC110  as above
            await asyncio.sleep(0.01)


async def test_links_and_special_files_a_program_makes_stay_inside(run, world):
    secret = str(world.folder / "secret")
    ended = await run(
        f"""
import os
os.symlink({secret!r}, "stolen")
os.symlink({str(world.folder)!r}, "door")
os.symlink("/etc", "etc")
os.mkfifo("pipe")
os.makedirs("a/b")
os.symlink("../../..", "a/b/up")
open("new\\nline", "w").write("x")
open("good.txt", "w").write("good")
open("a/b/deep.txt", "w").write("deep")
"""
    )

    assert ended.exit_code == 0
    assert set(ended.files) == {"good.txt", "a/b/deep.txt"}
    found = [path for path in run.folder.rglob("*") if not path.is_dir()]
    assert {path.name for path in found} == {"good.txt", "deep.txt"}
    assert not any(path.is_symlink() for path in run.folder.rglob("*"))


async def test_names_that_are_no_text_and_closed_folders_hide_no_other_file(run):
    ended = await run(
        """
import os
os.mkdir(b"a\\xff"); open(b"a\\xff/inner", "w").write("x")
open(b"b\\xfe", "w").write("x")
os.mkdir("closed"); open("closed/x", "w").write("x"); os.chmod("closed", 0)
open("twin", "w").write("x"); os.link("twin", "twin2")
os.makedirs("/".join("d" * 40)); open("/".join("d" * 40) + "/f", "w").write("x")
with open("sparse", "wb") as file: file.truncate(1 << 20)
open("z" * 210, "w").write("x")
open("zzz.txt", "w").write("good")
"""
    )

    # What is closed to the program's user is open to a bot that is root, and its own to keep.
    may_come = {"twin", "twin2", "closed/x"}
    assert ended.exit_code == 0, ended
    assert {"zzz.txt", "sparse"} == set(ended.files) - may_come
    assert (run.folder / "zzz.txt").read_text() == "good"
    assert (run.folder / "sparse").stat().st_size == 1 << 20
    assert ended.notes


async def test_more_files_than_a_task_may_keep_are_left_out_and_it_is_said(run):
    code = "for number in range(30): open(f'f{number:02}', 'w').write('1234')"

    ended = await run(code, folder_quota=Quota(size=40, files=100))
    kept = ended.files[0]
    again = await run(f"open({kept!r}, 'w').write('4321')", folder_quota=Quota(size=40, files=100))

    assert len(ended.files) == len(list(run.folder.iterdir())) == 10
    assert "delete some files first" in ended.folder_full
    assert (again.files, again.folder_full) == ((kept,), "")


async def test_an_archive_a_program_forges_does_not_get_out(run, tmp_path):
    """Whatever a program writes to descriptors it finds, its keeper's archive included."""
    ended = await run(
        """
import glob, os, io, tarfile
forged = io.BytesIO()
with tarfile.open(fileobj=forged, mode="w", format=tarfile.USTAR_FORMAT) as archive:
    for name in ("../escaped", "/escaped", "a/../../escaped"):
        member = tarfile.TarInfo(name)
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
for path in glob.glob("/proc/[0-9]*/fd/*"):
    if int(path.rsplit("/", 1)[1]) > 2:
        try:
            with open(path, "r+b", buffering=0) as file: file.write(forged.getvalue())
        except OSError: pass
os._exit(0)
"""
    )

    assert ended.exit_code == 0
    assert [path.name for path in tmp_path.rglob("*") if path.name != "folder"] == []


async def test_the_limits_cannot_be_raised(run):
    await attempts(
        run,
        """
import resource
for name in ("RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CPU"):
    kind = getattr(resource, name)
    hard = resource.getrlimit(kind)[1]
    assert hard != resource.RLIM_INFINITY, name
    attempt(name, lambda: resource.setrlimit(kind, (hard * 2, hard * 2)) is None and "done")
""",
    )


async def test_a_folder_that_is_too_full_is_refused_before_anything_runs(run):
    (run.folder / "big").write_bytes(b"x" * 2_000)

    with pytest.raises(SandboxError, match="delete some files first"):
        await run("print('ran')", copied_in_bytes=1_000)
