"""Lets `python -m proxy` be `countersign`."""

from proxy.cli import main

if __name__ == "__main__":
    main(prog_name="countersign")
