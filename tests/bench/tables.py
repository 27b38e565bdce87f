"""Rows, bars and Markdown.

A row is what came of all runs of one program: a dict of numbers, or of why there are none. A bar is (what, bar,
measured, met): met is None where something it needs was not measured.
"""
import math

COLUMNS = {"seconds": "seconds", "knn": "k-NN", "affinity": "affinity", "start": "start", "optimize": "steps",
           "peak": "peak MiB", "KL": "KL", "trust": "trust", "kept": "kept", "accuracy": "accuracy",
           "times": "libne is faster by"}
DIGITS = {"peak": 0, "KL": 3, "trust": 4, "kept": 4, "accuracy": 4, "times": 1}
PHASES = ("knn", "affinity", "start", "optimize")


def number(value, digits):
    """A text that keeps three figures of small times."""
    if value is None:
        return ""
    return f"{value:.{digits}f}" if digits != 2 or value >= 1 or value == 0 else f"{value:.3g}"


def in_short(answer):
    if "seconds" not in answer:
        return f"more than {answer['over']:.0f} s" if "over" in answer else "failed: " + answer["failed"]
    return f"{answer['seconds']:.3g} s, {answer['peak']:.0f} MiB"


def merge(answers):
    """The row of all runs of a program; None without any."""
    answers = [answer for answer in answers if answer]
    done = [answer for answer in answers if "seconds" in answer]
    if not done:
        return dict(answers[0]) if answers else None
    best = min(done, key=lambda answer: answer["seconds"])
    row = {name: best[name] for name in ("seconds", "steps", "recall", *PHASES) if name in best}
    return row | {"peak": max(answer["peak"] for answer in done), "y": done[0]["y"], "runs": len(done)}


def markdown(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "| --- |" + " --- |" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"


def table(rows):
    """Of {program: row}; columns that no row has are left out."""
    shown = [key for key in COLUMNS if any(key in row for row in rows.values())]
    lines = []
    for program, row in rows.items():
        cells = [number(row.get(key), DIGITS.get(key, 2)) for key in shown]
        if "over" in row or "failed" in row:
            cells[0] = in_short(row)
        lines.append([program, *cells])
    yield from markdown(["", *(COLUMNS[key] for key in shown)], lines)


# --- Bars ------------------------------------------------------------------------------------------------------------

def least_seconds(rows, programs):
    """Of those programs, all of which must have been measured; one that ran into its limit counts as that long."""
    found = [rows.get(program) or {} for program in programs]
    seconds = [row.get("seconds", row.get("over")) for row in found]
    return None if None in seconds else min(seconds)


def faster(bound, *programs):
    """libne is that many times faster than the fastest of the programs."""

    def bar(rows):
        theirs, own = least_seconds(rows, programs), rows.get("libne", {}).get("seconds")
        times = theirs / own if theirs and own else None
        open_end = any("over" in rows[program] for program in programs if program in rows)
        met = None if times is None or (open_end and times < bound) else times >= bound
        what = "seconds of " + " or ".join(programs) + (" (the faster)" if len(programs) > 1 else "") + " / libne's"
        return what, f"at least {bound:.3g}", "more than " * bool(open_end and times) + number(times, 1), met

    return bar


def limit(column, bound, most=True, row="libne", what=None):
    def bar(rows):
        value = rows.get(row, {}).get(column)
        met = None if value is None else (value <= bound if most else value >= bound)
        digits = DIGITS.get(column, 2)
        text = f"at {'most' if most else 'least'} {bound:g}"
        return what or f"{COLUMNS.get(column, column)} of {row}", text, number(value, digits), met

    return bar


def not_below(column, program, slack):
    """libne's score is not below that program's by more than slack."""

    def bar(rows):
        own, theirs = rows.get("libne", {}).get(column), rows.get(program, {}).get(column)
        gap = None if own is None or theirs is None else own - theirs
        met = None if gap is None else round(gap, 4) >= -slack
        return f"{column} less that of {program}", f"at least {-slack:g}", "" if gap is None else f"{gap:+.4f}", met

    return bar


def within(column, program, share):
    """libne's score, of which less is better, is at most so much above that program's."""

    def bar(rows):
        own, theirs = rows.get("libne", {}).get(column), rows.get(program, {}).get(column)
        ratio = None if not own or not theirs or math.isnan(own + theirs) else own / theirs - 1
        met, measured = (None, "") if ratio is None else (ratio <= share, f"{100 * ratio:+.1f} %")
        return f"{column} above that of {program}", f"at most {100 * share:g} %", measured, met

    return bar


def bars(list_of_bars):
    """The table of bars, each (what, bar, measured, met)."""
    words = {True: "yes", False: "**no**", None: "not measured"}
    list_of_bars = list(list_of_bars)
    if list_of_bars:
        yield ""
        yield from markdown(["bar", "", "measured", "met"], ([*bar[:3], words[bar[3]]] for bar in list_of_bars))
