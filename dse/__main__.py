"""`dse COMMAND ...` is `python -m dse.COMMAND ...`; a command's module is loaded when it is called."""

from __future__ import annotations

import sys
from importlib import import_module

# command: (module with `main`, what it does), in the order in which a user needs them
COMMANDS = {
    "data": ("dse.data", "check a corpus before it is used"),
    "train": ("dse.train", "train a network and write its checkpoint"),
    "import_torch": ("dse.import_torch", "turn a network of torch, sru or SpeechBrain into a checkpoint"),
    "import_kaldi": ("dse.import_kaldi", "turn a pytorch-kaldi network into a checkpoint"),
    "search": ("dse.search", "search a model's design space for its Pareto front"),
    "front": ("dse.front", "show a stored study's front, under other objectives if wanted"),
    "report": ("dse.report", "score a front on the test split; tell of models and platforms"),
    "pick": ("dse.pick", "pick a point of a front by a rule"),
    "retrain": ("dse.retrain", "retrain a picked point under its own quantization"),
    "export": ("dse.export", "write a picked point as a bundle that runs on the target"),
    "verify": ("dse.verify", "run a bundle's parts against the evaluator, bit for bit"),
    "experiment": ("dse.experiment", "run an experiment of studies/ and write its page"),
}


def main(argv: list[str] | None = None) -> int:
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in COMMANDS:
        module, _ = COMMANDS[name]
        status: int = import_module(module).main(rest)
        return status
    usage = "\n".join(f"  {command:<12} {what}" for command, (_, what) in COMMANDS.items())
    if name in ("-h", "--help"):
        print(f"usage: dse COMMAND ...\n\n{usage}\n\ndse COMMAND --help shows its options")
        return 0
    print(f"error: unknown command '{name}'; there are {', '.join(COMMANDS)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
