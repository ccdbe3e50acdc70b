"""Checks the prose of the repository: words and constructions that rules.toml bans, and sentences that are too long.

    python3 tests/style/check.py PATH...       checks these files and folders
    python3 tests/style/check.py --all         checks the whole repository
    python3 tests/style/check.py --counts ...  prints findings per folder and rule
    python3 tests/style/check.py --self-test   checks the rules against examples.toml

Reads comments, Markdown, templates, the texts of YAML and JSON, string literals of Rust outside of tests, and the
names of items. Skips code, and text in backticks or double quotes. A finding is a line `FILE:LINE: "TEXT": RULE`, and
the exit code is 1 if there is one. Needs only Python 3.11.
"""

import collections
import re
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CONFIG = tomllib.loads((HERE / "rules.toml").read_text())
MAX_WORDS = CONFIG["max_words"]
MAX_COMMAS = CONFIG["max_commas"]
RULES = [
    (re.compile("|".join(f"(?:{pattern})" for pattern in rule["match"]), re.IGNORECASE), rule["say"], rule.get("only"))
    for rule in CONFIG["rule"]
]
ALLOWED = re.compile("|".join(CONFIG["allow"]))
SKIPPED_FOLDERS = {".git", "target", "node_modules", "fixtures", "pictures"}
WORD = re.compile(r"[A-Za-z][\w'’-]*")


class Text:
    """A run of prose: its lines, joined, with the number of the line at which each begins."""

    def __init__(self, lines):
        self.text, self.starts = "", []
        for number, line in lines:
            if self.text and not self.text.endswith(" "):
                self.text += " "
            self.starts.append((len(self.text), number))
            self.text += line.strip()

    def line(self, offset):
        return [number for start, number in self.starts if start <= offset][-1]


def blank(match):
    """A placeholder for code. It keeps the line breaks, and with them the line numbers."""
    return "X" + "\n" * match.group().count("\n")


def markdown(lines):
    """The paragraphs, list items, headings and table cells of Markdown, without its code blocks."""
    paragraph, fenced, after_blank = [], False, True
    for number, line in lines:
        stripped = line.strip()
        if stripped.startswith(("```", "~~~")):
            fenced = not fenced
        starts_block = not stripped or stripped.startswith(("```", "~~~", "|", "#", "<!--")) or re.match(r"([-*]|\d+\.) ", stripped)
        if paragraph and starts_block:
            yield Text(paragraph)
            paragraph = []
        is_code = fenced or stripped.startswith(("```", "~~~")) or (line.startswith("    ") and after_blank)
        after_blank = not stripped or (is_code and not fenced)
        if is_code or not stripped:
            continue
        if stripped.startswith("|"):
            for cell in re.split(r"(?<!\\)\|", stripped.strip("|")):
                yield Text([(number, cell)])
        else:
            paragraph.append((number, re.sub(r"^([-*]|\d+\.|#+) ", "", stripped)))
            if stripped.startswith("#"):
                yield Text(paragraph)
                paragraph = []
    if paragraph:
        yield Text(paragraph)


RUST = re.compile(
    r"""(?P<comment>//[^\n]*)|(?P<block>/\*.*?\*/)|r(?P<hashes>\#*)"(?P<raw>.*?)"(?P=hashes)"""
    r"""|b?"(?P<string>(?:\\.|[^"\\])*)"|'(?:\\.[^']*|[^'\\])'|(?P<item>\b(?:fn|struct|enum|trait|mod|const|static|type)\s+(?P<name>\w+))""",
    re.DOTALL,
)


def rust(path, source):
    """Comments and names of Rust; string literals too, except in tests and in files that hold the texts of others."""
    is_test = "tests" in path.parts or path.name in ("tests.rs", "fixture.rs") or path.parts[0] in ("benches", "fuzz")
    has_prose = not is_test and not str(path).startswith(tuple(CONFIG["quoting"]))
    comments, previous = [], None
    for found in RUST.finditer(source):
        number = source.count("\n", 0, found.start()) + 1
        if comment := found["comment"]:
            marker = re.match(r"//[/!]?", comment).group()
            begins_line = not source[source.rfind("\n", 0, found.start()) + 1 : found.start()].strip()
            if previous != (marker, number - 1) or not begins_line:
                yield from markdown(comments)
                comments = []
            comments.append((number, re.sub(r"^ ", "", comment[len(marker) :])))
            previous = (marker, number)
        elif name := found["name"]:
            words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ")
            yield Text([(number, words.lower())])
        elif has_prose and (string := found["string"] or found["raw"]):
            # An escaped quote is a quote; an escaped line break continues the line.
            string = re.sub(r"\\\n\s*", "\n", string).replace('\\"', '"').replace("\\n", " ")
            string = re.sub(r"\{[^{}\n]*\}", "X", string)
            if len(WORD.findall(string)) > 2 and " " in string:
                yield Text([(number + row, line) for row, line in enumerate(string.split("\n"))])
    yield from markdown(comments)


def html(source):
    """The text of a template between its tags, and its visible attributes."""
    for found in re.finditer(r"""\b(?:title|aria-label|placeholder|alt)="([^"]*)\"""", source):
        text = re.sub(r"\{[{%].*?[}%]\}", "X", found[1])
        yield Text([(source.count("\n", 0, found.start()) + 1, text)])
    source = re.sub(r"<(script|style)\b.*?</\1>", blank, source, flags=re.DOTALL)
    source = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", blank, source, flags=re.DOTALL)
    source = re.sub(r"</?(?:b|bdi|span|a|time|code|abbr|i|em|strong)\b[^>]*>", "", source)
    source = re.sub(r"<[^>]*>", lambda match: "\0" + "\n" * match.group().count("\n"), source)
    number = 1
    for part in source.split("\0"):
        yield Text([(number + row, line) for row, line in enumerate(part.split("\n"))])
        number += part.count("\n")


def commented(source, marker):
    """The comments that begin with `marker`."""
    comments, previous = [], None
    for number, line in enumerate(source.split("\n"), 1):
        found = re.search(rf"(?:^|\s){marker}+ (?P<text>.*)$", line)
        if previous != number - 1 or found is None:
            yield from markdown(comments)
            comments = []
        if found:
            comments.append((number, found["text"]))
            previous = number
    yield from markdown(comments)


PROSE_KEYS = "summary|description|title|text|message|help|content|displayName|label|legendFormat|Description"


def yaml(source):
    """Comments and the values of keys that hold prose."""
    yield from commented(source, "#")
    lines, block, indent = source.split("\n"), [], None
    for number, line in enumerate(lines, 1):
        here = len(line) - len(line.lstrip())
        if indent is not None and (not line.strip() or here > indent):
            block.append((number, line))
            continue
        yield from markdown([(row, text.strip()) for row, text in block])
        block, indent = [], None
        if found := re.match(rf"\s*(?:- )?(?:{PROSE_KEYS}): *(.*)$", line):
            indent = here
            if not re.match(r"[|>][+-]?$", found[1]):
                block.append((number, found[1].strip("'\"")))
    yield from markdown([(row, text.strip()) for row, text in block])


def json(source):
    for number, line in enumerate(source.split("\n"), 1):
        if found := re.match(rf'\s*"(?:{PROSE_KEYS})": "((?:\\.|[^"\\])*)"', line):
            yield from markdown((number, part) for part in found[1].replace('\\"', '"').split("\\n"))


def python(source):
    yield from commented(source, "#")
    for found in re.finditer(r'"""(.*?)"""', source, re.DOTALL):
        number = source.count("\n", 0, found.start()) + 1
        yield from markdown((number + row, line) for row, line in enumerate(found[1].split("\n")))


def prose(path, source):
    """The prose of a file, by its type."""
    name, lines = path.name, list(enumerate(source.split("\n"), 1))
    match path.suffix:
        case ".rs":
            return rust(path, source)
        case ".md":
            return markdown(lines)
        case ".html":
            return html(source)
        case ".txt" if name == "NOTES.txt":
            return markdown((number, re.sub(r"\{\{.*?\}\}", "X", line).strip()) for number, line in lines)
        case ".yaml" | ".yml" | ".service" | ".socket":
            return yaml(source.replace("Description=", "Description: "))
        case ".json":
            return json(source)
        case ".py":
            return python(source)
        case ".js" | ".css":
            return commented(source.replace("/*", "// ").replace("*/", ""), "//")
        case ".toml" | ".tpl" | ".script" | ".golden":
            return yaml(source.replace("description =", "description:")) if path.suffix == ".toml" else commented(source, "#")
        case "" if name == "Dockerfile" or source.startswith("#!"):
            return commented(source, "#")
    return []


def mask(text):
    """Hides code, links and quotations. Keeps the length."""

    def hide(match):
        return "X" * len(match.group())

    text = re.sub(r"\{\{-? *(if|else|end|range|with)\b.*?\}\}", lambda match: " " * len(match.group()), text)
    text = re.sub(r"\{\{.*?\}\}|`[^`]*`|<[^<>]+>|https?://\S+", hide, text)
    text = re.sub(r"\]\([^)]*\)", lambda match: "]" + " " * (len(match.group()) - 1), text)
    text = re.sub(r'"[^"]*"', hide, text)
    return ALLOWED.sub(hide, text)


def sentences(text):
    """The sentences of a text, with their offsets."""
    start = 0
    for found in re.finditer(r"[.!?][)*]*(?:\s+(?=[^a-z\s])|$)", text):
        yield start, text[start : found.end()]
        start = found.end()
    if text[start:].strip():
        yield start, text[start:]


def findings(text, suffix):
    """The offset, words and rule of each finding in a text of a file with this suffix."""
    masked = mask(text)
    for start, sentence in sentences(masked):
        for pattern, say, only in RULES:
            for found in pattern.finditer(sentence) if only is None or suffix in only else ():
                at = start + found.start()
                yield at, text[at : at + len(found.group())], say
        begin = text[start : start + 40].strip()
        if (count := len(WORD.findall(sentence))) > MAX_WORDS:
            yield start, begin, f"a sentence of {count} words: at most {MAX_WORDS}"
        # The short members of a list are not clauses.
        clauses = [part for part in re.split(r",\s", sentence)[1:] if len(WORD.findall(part)) > 5]
        if len(clauses) > MAX_COMMAS:
            yield start, begin, f"a sentence with {len(clauses)} clauses after commas: at most {MAX_COMMAS}"


def files(paths):
    """The files in these files and folders, without those that are exempt."""
    for path in paths:
        path = (ROOT / path).resolve()
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            relative = file.relative_to(ROOT)
            skipped = SKIPPED_FOLDERS.intersection(relative.parts) or str(relative).startswith(tuple(CONFIG["exempt"]))
            if file.is_file() and not file.is_symlink() and not skipped:
                yield relative


def self_test():
    """Each sentence of the old kind is found, and none of its replacements is."""
    failed = 0
    for example in tomllib.loads((HERE / "examples.toml").read_text())["example"]:
        for text, is_wanted in ((example["before"], True), (example["after"], False)):
            found = list(findings(text, ".rs"))
            if bool(found) != is_wanted:
                print(f"{'no finding' if is_wanted else found}: {text}")
                failed += 1
    return failed


def main(arguments):
    if "--self-test" in arguments:
        return self_test()
    paths = [str(Path(argument).resolve()) for argument in arguments if not argument.startswith("--")]
    counts, total = collections.Counter(), 0
    for path in files(["."] if "--all" in arguments else paths):
        try:
            source = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue
        for unit in prose(path, source):
            for offset, words, say in findings(unit.text, path.suffix):
                total += 1
                counts["/".join(path.parts[:2]), say] += 1
                if "--counts" not in arguments:
                    print(f'{path}:{unit.line(offset)}: "{words}": {say}')
    for (folder, say), count in sorted(counts.items()) if "--counts" in arguments else ():
        print(f"{count:5} {folder}: {say}")
    print(f"{total} findings", file=sys.stderr)
    return total


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
