"""A package `wandb` that writes down what it is called with, for tests."""

STUB = """
import json, os, pathlib, time
LOG = pathlib.Path(os.environ["STUB_LOG"])
GO = pathlib.Path(os.environ["STUB_LOG"] + ".go")
for _ in range(6000 if "STUB_WAITS" in os.environ else 0):
    if GO.exists(): break
    time.sleep(0.01)
else:
    if "STUB_WAITS" in os.environ: os._exit(7)
def note(*what):
    with LOG.open("a") as file: file.write(json.dumps(what) + chr(10))
class Settings:
    sync_dir = "stub/offline-run"
    def __init__(self, **settings): note("settings", settings)
class Run:
    url = "https://example.org/run"
    settings = Settings()
    class summary:
        update = staticmethod(lambda values: note("summary", values))
    def define_metric(self, *a, **k): note("define", *a, k)
    def log(self, row): note("log", row)
    id = "0badcafe"
    def log_artifact(self, artifact): note("artifact", artifact.told)
    def finish(self, exit_code): note("finish", exit_code)
class Artifact:
    def __init__(self, name, type): self.told = [name, type]
    def add_file(self, path): self.told.append(path)
    def new_file(self, name):
        self.told.append(name)
        return open(os.devnull, "w")
def Image(path): return path
def Table(columns, data, allow_mixed_types): return [columns, data]
def init(settings, **arguments):
    note("init", arguments)
    return Run()
"""
