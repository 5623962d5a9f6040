"""What is shown of a run: tables, curves, pictures, and a page with all of them."""

from streamer.sink.replace import write
from trainer.report.files import reserve, write_csv, write_json, write_yaml
from trainer.report.grid import Cell, Grid, Line, Section, grid, show
from trainer.report.page import Page
from trainer.report.pictures import Sample, curves, sample, sheet, strip

__all__ = [
    "Cell",
    "Grid",
    "Line",
    "Page",
    "Sample",
    "Section",
    "curves",
    "grid",
    "reserve",
    "sample",
    "sheet",
    "show",
    "strip",
    "write",
    "write_csv",
    "write_json",
    "write_yaml",
]
