#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs what a text shows: its console blocks, in order, in a test host of their own.

    console.py [--show | --write] [--shell] FILE [HEADING…]

In a block ```console each line that begins with "$ " is a command, a line that begins with "> " goes on with it, and the
rest is what it prints. A block ```xml that begins with <!-- NAME.xml --> is saved as that file. Without an option the
output is compared: numbers, UUIDs and the width of columns may differ, "…" stands for any lines, and a command whose
output has a line "error: …" has to fail, every other one to work. In a block ```console varies only that is looked
at. --write puts what was printed into FILE instead, --show prints it as it comes, --shell opens a shell at the end.
HEADINGs choose sections.

The host's /srv is an empty folder of its own and the folder that the commands begin in; plain virsh talks to its libvirtd.
With --two-hosts there is another host, sh1, reached over a link and believed by TLS: "there COMMAND…" runs a command in it
(with the same files), "there stop" and "there start" end its libvirtd and start it.
"""

import argparse
import os
import re
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import net, trust  # noqa: E402
from harness.host import Host  # noqa: E402
from harness.remote import serving  # noqa: E402

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MARK = "@@console@@"


class Step:
    """One command of a text: its lines, and what the text says that it prints."""

    def __init__(self, command, varies):
        self.command = command  # as lines, without the prompts
        self.varies = varies
        self.expected = []

    def fails(self):
        return any(line.startswith("error:") for line in self.expected)


def parse(text, headings=()):
    """A list of the text's parts: a string (kept as it is), a Step, or (name, xml) of a file. Joined they are the text."""
    parts, fence, chosen = [], None, not headings
    for line in text.splitlines(keepends=True):
        if fence is None and line.startswith("#") and headings:
            chosen = line.strip("#\n ") in headings
        if line.startswith("```"):
            fence = line.strip("`\n") if fence is None else None
            parts.append(line)
            if fence == "xml" and chosen:
                parts.append(["", ""])
        elif fence in ("console", "console varies") and chosen:
            _console_line(parts, line, fence == "console varies")
        elif fence == "xml" and chosen:
            parts[-1][1] += line
            name = re.match(r"<!-- (\S+\.xml) -->\n", line)
            if name and not parts[-1][0]:
                parts[-1][0] = name.group(1)
        else:
            parts.append(line)
    return parts


def _console_line(parts, line, varies):
    if line.startswith("$ "):
        parts.append(Step([line[2:]], varies))
    elif line.startswith("> ") and not parts[-1].expected:
        parts[-1].command.append(line[2:])
    else:
        parts[-1].expected.append(line)


def shape(line):
    """A line without what differs from run to run."""
    line = re.sub(r"[-─]{3,}", "---", UUID.sub("U", line.rstrip()))
    line = re.sub(r"\bVM (SIZE|CLOCK)\b", r"VM_\1", line)  # qemu-img's heads of columns, before 9.0 and since
    return re.sub(r"\s+", " ", re.sub(r"\d+([.,:]\d+)*", "N", line))


def segments(lines):
    """The runs of lines between those that are "…"."""
    found = [[]]
    for line in lines:
        if line.strip() == "…":
            found.append([])
        else:
            found[-1].append(line)
    return found


def find(segment, lines, start):
    """Where the segment's lines are among the others, from start on; None: nowhere."""
    wanted = [shape(line) for line in segment]
    for first in range(start, len(lines) - len(wanted) + 1):
        if [shape(line) for line in lines[first:first + len(wanted)]] == wanted:
            return first, first + len(wanted)
    return None


def find_new(segment, lines, start):
    """The same for a segment whose first and last lines only are known, by their beginnings."""
    def begins(line, wanted):
        return shape(line).startswith(shape(wanted))

    for first in range(start, len(lines)):
        if begins(lines[first], segment[0]):
            for last in range(first, len(lines)):
                if begins(lines[last], segment[-1]):
                    return first, last + 1
    return None


def differs(expected, printed):
    """What is wrong with the output, as a sentence, or None."""
    place = 0
    parts = segments(expected)
    for number, segment in enumerate(parts):
        if not segment:
            continue
        where = find(segment, printed, place)
        if where is None or (number == 0 and where[0] != 0):
            return "is not printed: " + "".join(segment)
        place = where[1]
        if number == len(parts) - 1 and place != len(printed):
            return "is printed, too: " + "".join(printed[place:])
    return "is printed: " + "".join(printed) if not expected and printed else None


def rewritten(expected, printed):
    """What was printed, shortened where the text is shortened."""
    parts = segments(expected)
    if len(parts) == 1:
        return printed
    lines, place = [], 0
    for number, segment in enumerate(parts):
        lines += ["…\n"] * (number > 0)
        if segment:
            where = find_new(segment, printed, place)
            assert where, "nothing printed fits: " + "".join(segment) + "in: " + "".join(printed)
            lines += printed[where[0]:where[1]]
            place = where[1]
    return lines


class There:
    """The second host of a text, and what "there" is in the first one's shell."""

    SCRIPT = """there() {{
    case "$1" in
    stop | start) echo "$1" >{fifo}; read -r _ <{answer} ;;
    *) nsenter -t {pid} -m -n -u -r -w -- sh -c 'cd "$0" && exec "$@"' {files} "$@" ;;
    esac
}}
"""

    def __init__(self, host):
        authority = trust.Authority()
        self.host = serving(Host("sh1", drivers=("secret", "qemu"), listen=("tls",)))
        authority.equip(self.host)
        authority.equip(host)
        net.Link(self.host, host)
        self.host.start()
        self.pipes = [os.path.join(host.dir, name) for name in ("told", "done")]
        for pipe in self.pipes:
            os.mkfifo(pipe)
        self.script = self.SCRIPT.format(fifo=self.pipes[0], answer=self.pipes[1], pid=self.host.holder.pid,
                                         files=os.path.join(host.dir, "pools"))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            with open(self.pipes[0], encoding="ascii") as f:
                word = f.read().strip()
            getattr(self.host, word)()
            with open(self.pipes[1], "w", encoding="ascii") as f:
                f.write("done\n")


class Shell:
    """One bash in the host that runs all commands of a text."""

    def __init__(self, host, there=None):
        folder = os.path.join(host.dir, "pools")
        host.run("mount", "--bind", folder, "/srv")
        env = dict(os.environ, LC_ALL="C.UTF-8", LIBVIRT_DEFAULT_URI="qemu:///system", HOST_PID=str(host.pid),
                   LIBVIRT_DRIVER_DIR=f"{host.dir}/drivers", REPL_LOG=f"{host.dir}/log/libvirtd.log")
        self.host = host
        self.env = env
        self.folder = folder
        self.process = subprocess.Popen(host.enter_argv() + ["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, env=env, cwd="/")
        self.run(["cd /srv\n"] + ([there.script] if there else []))

    def save(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write(text)

    def run(self, command):
        """Its exit status, and its output as lines."""
        self.process.stdin.write("".join(command) + f"\nprintf '\\n{MARK} %d\\n' $?\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.startswith(MARK):
                lines[-1] = lines[-1][:-1]  # the printf's own line end
                return int(line.split()[1]), [line for line in lines if line]
            lines.append(line)
        raise RuntimeError("the shell has ended: " + "".join(lines))

    def interact(self):
        print(f"This shell talks to the demo's libvirtd until you leave it. Its log: {self.env['REPL_LOG']}")
        subprocess.call(self.host.enter_argv() + ["bash", "-c", "cd /srv; exec bash -i"], env=self.env)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def run_step(shell, step, options):
    """None, or a sentence about what is wrong."""
    if options.show:
        print("".join(f"{'>' if number else '$'} {line}" for number, line in enumerate(step.command)), end="", flush=True)
    status, printed = shell.run(step.command)
    printed = [line for line in printed if line.strip()] if step.command[0].startswith("virsh") else printed
    if options.show:
        print("".join(printed), end="", flush=True)
    said = f"$ {''.join(step.command)}"
    if (status != 0) != step.fails():
        return f"{said}ended with status {status}: {''.join(printed)}"
    if options.write:
        step.expected = rewritten(step.expected, printed)
    elif not step.varies and (wrong := differs(step.expected, printed)):
        return f"{said}{wrong}"
    return None


def run(shell, parts, options):
    """Sentences about all that is wrong."""
    wrong = []
    for part in parts:
        if isinstance(part, list):
            if part[0]:
                shell.save(*part)
            if options.show:
                print(part[1], end="")
        elif isinstance(part, Step):
            if sentence := run_step(shell, part, options):
                wrong.append(sentence)
        elif options.show and not part.startswith("```"):
            print(f"\n\033[1m{part.strip()}\033[0m\n" if part.startswith("#") else part, end="", flush=True)
    return wrong


def text_of(parts):
    lines = []
    for part in parts:
        if isinstance(part, Step):
            lines += [f"{'>' if number else '$'} {line}" for number, line in enumerate(part.command)] + part.expected
        else:
            lines.append(part if isinstance(part, str) else part[1])
    return "".join(lines)


def run_file(path, options):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    parts = parse(text, options.headings)
    assert text_of(parts) == text and any(isinstance(part, Step) for part in parts), f"{path} has no commands"
    host = Host("host", drivers=("secret", "qemu"))
    there = There(host) if options.two_hosts else None
    shell = Shell(host.start(), there)
    try:
        wrong = run(shell, parts, options)
        if options.shell:
            shell.interact()
    finally:
        shell.close()
        if host.process.poll() is not None:  # a text may kill the daemon, and start another
            host.process = None
        host.close()
        if there:
            there.host.close()
    if options.write and not wrong:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text_of(parts))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", action="store_true", help="print the text and what its commands print")
    parser.add_argument("--write", action="store_true", help="put what the commands print into the file")
    parser.add_argument("--shell", action="store_true", help="open a shell in the host at the end")
    parser.add_argument("--two-hosts", action="store_true", help="with a second host, sh1")
    parser.add_argument("file")
    parser.add_argument("headings", nargs="*", metavar="heading", help="these sections alone")
    options = parser.parse_args()
    wrong = run_file(options.file, options)
    for sentence in wrong:
        print(sentence)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
