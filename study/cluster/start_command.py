"""What a shell command of a cluster's file starts: `ray start`, with which environment and which words.

Read as bash would, without running it, and only where that is certain: assignments, `export`, and plain
commands joined by `&&`, `||`, `;` or new lines. Whatever else raises NotUnderstood: it could open a cluster.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

# In a value: the folder that `mktemp -d` has made in this command, and what can't be known here.
PRIVATE, UNKNOWN = "\x01", "\x02"
# Before each quoted part of a token: bash takes no quoted `NAME=` for an assignment.
QUOTE = "\x03"
# Set by bash or by Ray before the command; left in a value as they are written.
GIVEN = {"HOME", "USER", "UID", "HOSTNAME", "PWD", "RAY_HEAD_IP"}
# Programs that neither start Ray nor change the variables of the shell.
HARMLESS = {"[", "test", "true", "false", ":", "echo", "exit", "sleep", "cd", "ulimit", "umask"}
HARMLESS |= {"mkdir", "rm", "rmdir", "find", "ls", "date", "hostname"}
OPERATORS = ";&|()<>"
NAMES_START = re.compile(r"\bray\s+start\b")

_QUOTED = re.compile(r"""'(?P<literal>[^']*)'|"(?P<double>(?:\\.|[^"\\])*)"|\\(?P<escaped>.)""", re.DOTALL)
_SUBSTITUTION = re.compile(r"\$\(([^()`]*)\)")
_MKTEMP = re.compile(r"\s*mktemp\s+(-d|--directory)(\s+/[\w./-]+)?\s*")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\}|)")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


class NotUnderstood(ValueError):
    """What of a command was not understood, and what to write instead."""


@dataclass(frozen=True)
class Start:
    """One `ray start`: what is exported to it, and the words behind it."""

    environment: dict[str, str]
    words: list[str]


def starts(command: str) -> list[Start]:
    """Every `ray start` of the command. Raises NotUnderstood."""
    shell = _Shell()
    chain: list[list[str]] = [[]]
    alternatives = False
    found: list[Start] = []
    for token in [*_tokens(command), ";"]:
        if token == ";":
            found += shell.run([words for words in chain if words], alternatives)
            chain, alternatives = [[]], False
        elif token in ("&&", "||"):
            chain.append([])
            alternatives |= token == "||"
        elif set(token) <= set(OPERATORS):
            raise NotUnderstood(f"`{token}`; write plain commands, joined by && or ;")
        else:
            chain[-1].append(token)
    return found


def _tokens(command: str) -> Iterator[str]:
    """Words and operators, with what is substituted as PRIVATE or UNKNOWN."""
    text = command.replace("\\\n", "")
    for quoted in _QUOTED.finditer(text):
        if (literal := quoted["literal"]) and set(literal) & set(f"{OPERATORS}$`\n"):
            raise NotUnderstood(f"{quoted[0]}; write it without $ and {OPERATORS} in quotes")
    text = _SUBSTITUTION.sub(_substituted, text)
    for quoted in _QUOTED.finditer(text):
        if set(quoted["double"] or quoted["escaped"] or "") & set(f"{OPERATORS}`\n") or quoted[0] == r"\$":
            raise NotUnderstood(f"{quoted[0]}; write it without {OPERATORS} in quotes or behind \\")
    if "`" in text or "$(" in text:
        raise NotUnderstood("a command within a command; write its value")
    if braces := re.search(r"\{\S*?(,|\.\.)\S*?\}", _QUOTED.sub("", text)):
        raise NotUnderstood(f"{braces[0]}; write each word")
    text = re.sub(r"(&&|\|\||;)\s*\n", r"\1 ", text).replace("\n", " ; ")
    text = _QUOTED.sub(rf"{QUOTE}\g<0>", text)
    reader = shlex.shlex(text, posix=True, punctuation_chars=OPERATORS)
    reader.whitespace_split, reader.commenters = True, ""
    try:
        for token in reader:
            if token.startswith("#"):
                raise NotUnderstood("a comment, which may hide what follows; write it as one of YAML")
            yield token
    except ValueError as error:
        raise error if isinstance(error, NotUnderstood) else NotUnderstood(f"the quotes: {error}") from None


def _substituted(found: re.Match[str]) -> str:
    if NAMES_START.search(found[1]):
        raise NotUnderstood(f"`{found[0]}`; write `ray start` alone")
    return PRIVATE if _MKTEMP.fullmatch(found[1]) else UNKNOWN


class _Shell:
    """The variables of a shell while a command runs."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.exported: set[str] = set()
        self.uncertain: set[str] = set()
        self.touched: set[str] = set()

    def run(self, chain: list[list[str]], alternatives: bool) -> Iterator[Start]:
        """Run commands joined by && (or ||, `alternatives`); gives the starts.

        Only the first is certain to run. What others set is certain behind them, and not after the chain.
        """
        for position, words in enumerate(chain):
            for start in self._command(words):
                if alternatives:
                    raise NotUnderstood("`||` beside `ray start`; write a line for each")
                yield start
            if position == 0:
                self.touched.clear()
        # Behind `;` Ray would start without the folder too.
        private = {name for name, value in self.values.items() if PRIVATE in value}
        self.uncertain |= self.touched | private

    def _command(self, words: list[str]) -> Iterator[Start]:
        assigned: dict[str, str] = {}
        while words and (found := _ASSIGNMENT.fullmatch(words[0])):
            assigned[found[1]] = self._expanded(found[2].replace(QUOTE, ""), assigned)
            words = words[1:]
        words = [word.replace(QUOTE, "") for word in words]
        if not words:
            self.values |= assigned
            self.touched |= assigned.keys()
        elif words[0] == "export" and not assigned:
            self._export(words[1:])
        elif PurePath(words[0]).name == "ray":
            yield from self._ray(words[1:], assigned)
        elif words[0] not in HARMLESS:
            raise NotUnderstood(f"`{words[0]}`; write `ray start` alone, other programs in setup_commands")
        elif NAMES_START.search(" ".join(words)):
            raise NotUnderstood(f"`{words[0]}` with `ray start`; write `ray start` alone")

    def _export(self, words: list[str]) -> None:
        for word, known in [(word, self._expanded(word)) for word in words]:
            name, assigns, value = known.partition("=")
            if not re.fullmatch(r"[A-Za-z_]\w*", name):
                raise NotUnderstood(f"`export {word}`; write `export NAME=value`")
            if PRIVATE in word:  # export hides that mktemp failed
                raise NotUnderstood(
                    f"`export {name}=$(mktemp ...)`; write `{name}=$(mktemp ...) && export {name}`"
                )
            if assigns:
                self.values[name] = value
                self.uncertain.discard(name)
            self.exported.add(name)
            self.touched.add(name)

    def _ray(self, words: list[str], assigned: dict[str, str]) -> Iterator[Start]:
        if words[:1] == ["start"]:
            known = [self._expanded(word) for word in words[1:]]
            for word, value in zip(words[1:], known, strict=True):
                if UNKNOWN in value or _VARIABLE.fullmatch(word):  # which is no word where it is empty
                    raise NotUnderstood(f"{word} of `ray start`; write its value, or && behind what sets it")
            exported = {name: self.values[name] for name in self.exported & self.values.keys()}
            exported |= dict.fromkeys(exported.keys() & self.uncertain, UNKNOWN)
            yield Start(exported | assigned, known)
        elif "start" in words:
            raise NotUnderstood(f"`ray {words[0]}` before `start`; write `ray start` first")

    def _expanded(self, word: str, assigned: dict[str, str] | None = None) -> str:
        """The word with the variables that are known in it; a value of several words is none."""
        values = {**self.values, **dict.fromkeys(self.uncertain, UNKNOWN), **(assigned or {})}

        def value(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            if name in values:
                return UNKNOWN if re.search(r"\s", values[name]) else values[name]
            return found[0] if name in GIVEN else UNKNOWN

        return _VARIABLE.sub(value, word)
