#!/usr/bin/env python3
"""count.py JUNIT: the tests of a run of ctest, as "PASSED FAILED".

A program that says how many tests it made counts by them (Check; Python's unittest; "3 passed, 1 failed"), any other as
one. Whatever did not run to its end and pass has failed: a crash, a timeout, a skip.
"""
import re
import sys
import xml.etree.ElementTree


def count(case):
    text = case.findtext("system-out", "")
    failed = made = 0
    for match in re.finditer(r"%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", text):
        made += int(match[1])
        failed += int(match[2]) + int(match[3])
    for match in re.finditer(r"^Ran (\d+) tests? in .*\n\n\w+(?: \((.*)\))?", text, re.M):
        made += int(match[1])
        failed += sum(map(int, re.findall(r"=(\d+)", match[2] or "")))
    for match in re.finditer(r"^(\d+) passed, (\d+) failed$", text, re.M):
        made += int(match[1]) + int(match[2])
        failed += int(match[2])
    made = max(made, 1)
    if case.get("status") != "run":
        failed = max(failed, 1)
    return made - failed, failed


counts = [count(case) for case in xml.etree.ElementTree.parse(sys.argv[1]).iter("testcase")]
print(sum(passed for passed, _ in counts), sum(failed for _, failed in counts))
