#!/usr/bin/env python3
"""docs.py BUILD [--update]: what the pages say is so.

- A block after a line "<!-- output of: COMMAND -->" is what COMMAND prints, with BUILD's programs in PATH and the
  sources as the current directory; a block after "<!-- file: PATH -->" is that file. --update writes both anew.
- A C block with a main() in it compiles without a warning against BUILD/libne.so, and runs.
- A link to a file leads to a file.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"(?:<!-- (?P<kind>output of|file): (?P<source>[^\n]*?) -->\n+)?```(?P<language>\w*)\n(?P<text>.*?)```", re.S)
LINK = re.compile(r"\]\((?P<target>[^)#\s]+)(?:#[^)\s]*)?\)")


def run(command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **more)


def c_block_faults(text, build):
    with tempfile.TemporaryDirectory() as work:
        source, program = os.path.join(work, "page.c"), os.path.join(work, "page")
        pathlib.Path(source).write_text(text)
        flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Iinclude", f"-L{build}", f"-Wl,-rpath,{build}"]
        made = run(["cc", *flags, source, "-lne", "-lm", "-o", program])
        if made.returncode:
            return f"does not compile:\n{made.stderr}"
        done = run([program], cwd=work)
        return f"exits with {done.returncode}:\n{done.stderr}" if done.returncode else ""


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    update = sys.argv[2:] == ["--update"]
    os.chdir(pathlib.Path(__file__).resolve().parents[2])
    environment = dict(os.environ, PATH=f"{build}/examples:{os.environ['PATH']}", LC_ALL="C")
    faults = []

    for page in [pathlib.Path("README.md"), *sorted(pathlib.Path("docs").rglob("*.md"))]:
        text = page.read_text()

        def check(block):
            at = f"{page}:{text.count(chr(10), 0, block.start()) + 1}"
            if block["kind"]:
                source = block["source"]
                command = ["cat", source] if block["kind"] == "file" else ["bash", "-c", source]
                done = run(command, env=environment)
                if done.returncode:
                    faults.append(f"{at}: {source}: exits with {done.returncode}:\n{done.stderr}")
                elif update:
                    head = block[0][: block.start("text") - block.start()]
                    return f"{head}{done.stdout}```"
                elif done.stdout != block["text"]:
                    faults.append(f"{at}: {source} is something else by now; docs.py BUILD --update writes it")
            elif block["language"] == "c" and "int main(" in block["text"]:
                fault = c_block_faults(block["text"], build)
                if fault:
                    faults.append(f"{at}: {fault}")
            return block[0]

        written = BLOCK.sub(check, text)
        if update and written != text:
            page.write_text(written)
        for link in LINK.finditer(BLOCK.sub("", text)):
            if "://" not in link["target"] and not (page.parent / link["target"]).exists():
                faults.append(f"{page}: no file {link['target']}")

    print("\n".join(faults), end="\n" if faults else "")
    return bool(faults)


sys.exit(main())
