from pathlib import Path
def is_table(folder: Path) -> bool:
    return (folder / "table.json").is_file()
def table_page(folder): ...
