"""Completion in a shell: the words that may follow those before the cursor, from the schema and `conf/`."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import get_args

from gnn_distill.cli.commands import COMMANDS, CONF_DIR
from gnn_distill.cli.keys import all_groups, choices_of, flags, keys, settable
from gnn_distill.errors import UserError, suggest
from gnn_distill.storage.run_directory import SUMMARY

SCRIPTS = {
    "bash": """\
_gnn_distill() {
    local line=${COMP_LINE:0:COMP_POINT} found word words
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[${#words[@]}-1]}
    # Bash replaces what follows the last = or : alone.
    word=${word%"${word##*[=:]}"}
    COMPREPLY=()
    while IFS= read -r found; do
        COMPREPLY+=("${found#"$word"}")
    done < <("${words[0]}" --complete "${words[@]:1}" 2> /dev/null)
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/.] ]] && compopt -o nospace 2> /dev/null
}
complete -F _gnn_distill gnn-distill
""",
    "zsh": """\
_gnn_distill() {
    local -a found
    found=("${(@f)$(${words[1]} --complete "${(@)words[2,CURRENT]}" 2> /dev/null)}")
    compadd -S '' -- ${(M)found:#*[=/.]}
    compadd -- ${found:#*[=/.]}
}
compdef _gnn_distill gnn-distill
""",
    "fish": """\
function __gnn_distill
    set -l tokens (commandline -opc)
    set -l current (commandline -ct)
    $tokens[1] --complete $tokens[2..-1] "$current" 2> /dev/null
end
complete -c gnn-distill -f -a '(__gnn_distill)'
""",
}
SET_UP = {
    "bash": 'eval "$(gnn-distill --completion bash)"',
    "zsh": 'eval "$(gnn-distill --completion zsh)"',
    "fish": "gnn-distill --completion fish | source",
}
"""The line of a shell's start-up file that sets completion up."""
REMOVAL = {
    "bash": "complete -r gnn-distill\nunset -f _gnn_distill\n",
    "zsh": "compdef -d gnn-distill\nunfunction _gnn_distill\n",
    "fish": "complete -c gnn-distill -e\nfunctions -e __gnn_distill\n",
}
"""What a shell runs to undo its set-up until it is started again."""
MOST_RUNS = 50
"""Run folders that are offered, the newest."""
PLACES = ("outputs", "multirun")
"""Where they are."""


def script(shell: str) -> str:
    """What sets completion up. Raises UserError for another shell."""
    _check_shell(shell)
    return f"# To set it up for good, add this line to the start-up file of {shell}: {SET_UP[shell]}\n{SCRIPTS[shell]}"


def removal(shell: str) -> str:
    """What undoes `script`. Raises UserError for another shell."""
    _check_shell(shell)
    return f"# To remove it for good, delete this line from the start-up file: {SET_UP[shell]}\n{REMOVAL[shell]}"


def _check_shell(shell: str) -> None:
    if shell not in SCRIPTS:
        raise UserError(f"--completion {shell}: choose bash, zsh or fish.{suggest(shell, SCRIPTS)}")


def candidates(words: Sequence[str]) -> list[str]:
    """What the last of the words, which may be empty, can become: those after a command, which is the first."""
    command, *before, word = words
    if command == "--completion":
        found: Iterable[str] = SCRIPTS
    else:
        found = _following(command, before[-1] if before else "", word) if command in COMMANDS else []
    return sorted({one for one in found if one.startswith(word)})


def _following(command: str, previous: str, word: str) -> Iterator[str]:
    """What may follow a command: flags, values of a flag or a key, its own words, and keys."""
    about = COMMANDS[command].words
    known = flags()
    if previous in ("-p", "--package"):
        yield from {name.rpartition(".")[0] for name in keys(command)}
    elif known.get(previous) is not None or (previous == "-o" and "-o" in about):
        yield from known.get(previous) or _files(word)
    elif word.startswith("-"):
        yield from [*known, *(["-o"] if "-o" in about else [])]
    elif "=" in word:
        key, _, value = word.partition("=")
        before, comma, _ = value.rpartition(",")  # of several values the last
        yield from (f"{key}={before}{comma}{one}" for one in _values(command, key) or [*_files(value)])
    else:
        yield from about.strip("[]").split("|") if "|" in about else ()
        yield from _runs(word) if re.search(r"RUN|FOLDER\.", about) else ()
        yield from _files(word) if re.search(r"INPUT|FOLDER\.", about) else ()
        yield from _keys(command, word)


def _keys(command: str, word: str) -> Iterator[str]:
    """Keys and groups, each as `key=`; of keys in a section, as there are hundreds, the section until it is there."""
    for name in settable(command):
        if name.startswith(word):
            section, dot, _ = name[len(word) :].partition(".")
            yield f"{word}{section}{dot}" if dot and "@" not in name else f"{name}="


def _values(command: str, name: str) -> list[str]:
    """Choices of a group, and values of a key; none where they are numbers or texts of the user's."""
    if group := all_groups(command).get(name):
        return choices_of(command, group, [CONF_DIR])
    if (key := keys(command).get(name)) is None:
        return []
    known = key.field.metadata.get("choices", ("true", "false") if key.hint is bool else ())
    return [*known, *(["null"] if known and type(None) in get_args(key.hint) else [])]


def _runs(word: str) -> list[str]:
    """Folders of runs that begin with a word, the newest."""
    found = []
    for place in PLACES:
        for folder, below, files in os.walk(place):
            if SUMMARY in files and folder.startswith(word):
                found.append((os.path.getmtime(os.path.join(folder, SUMMARY)), folder))
            if SUMMARY in files or not (folder.startswith(word) or word.startswith(folder)):
                below.clear()
    return [folder for _, folder in sorted(found, reverse=True)[:MOST_RUNS]]


def _files(word: str) -> Iterator[str]:
    """Files and folders that begin with a word."""
    folder, name = os.path.split(word)
    with suppress(OSError):
        for entry in os.scandir(folder or "."):
            if name or not entry.name.startswith("."):
                yield os.path.join(folder, entry.name) + ("/" if entry.is_dir() else "")
