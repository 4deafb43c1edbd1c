"""Take what a card shows elsewhere: picture or table to the clipboard, or to a PNG, SVG or CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtGui import QImage, QPainter, QRegion
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QToolTip, QWidget

from engine.errors import OssicleError
from studio.look import theme

SCALE: Final = 2.0
"""Pixels of a saved picture per pixel of the screen: crisp in print."""
TableRows = Sequence[Sequence[object]]


def picture(widget: QWidget, scale: float = SCALE) -> QImage:
    """What a widget shows, larger than on the screen."""
    image = QImage(widget.size() * scale, QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(scale)
    image.fill(theme.colour("canvas"))
    painter = QPainter(image)
    widget.render(painter, QPoint(), QRegion(widget.rect()), QWidget.RenderFlag.DrawChildren)
    painter.end()
    return image


def save_png(widget: QWidget, path: Path) -> None:
    """Write a picture.

    Raises:
        OssicleError: the file cannot be written.
    """
    if not picture(widget).save(str(path)):
        raise _unwritable(path)


def save_svg(widget: QWidget, path: Path) -> None:
    """Write a drawing that stays sharp at any size.

    Raises:
        OssicleError: the file cannot be written.
    """
    _touch(path)
    size: QSize = widget.size()
    generator = QSvgGenerator()
    generator.setFileName(str(path))
    generator.setSize(size)
    generator.setViewBox(QRect(QPoint(), size))
    generator.setTitle(widget.accessibleName())
    painter = QPainter(generator)
    painter.fillRect(QRect(QPoint(), size), theme.colour("canvas"))
    widget.render(painter, QPoint(), QRegion(widget.rect()), QWidget.RenderFlag.DrawChildren)
    painter.end()


def csv_text(rows: TableRows) -> str:
    """A table as comma-separated values."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def save_csv(rows: TableRows, path: Path) -> None:
    """Write a table.

    Raises:
        OssicleError: the file cannot be written.
    """
    try:
        path.write_text(csv_text(rows), encoding="utf-8")
    except OSError as error:
        raise _unwritable(path) from error


def _touch(path: Path) -> None:
    try:
        path.touch()
    except OSError as error:
        raise _unwritable(path) from error


def _unwritable(path: Path) -> OssicleError:
    return OssicleError(f"{path} cannot be written", "a folder you may write to", "Choose another folder")


def export_menu(owner: QWidget, name: str, shown: Callable[[], QWidget], rows: Callable[[], TableRows]) -> QMenu:
    """The menu of a card: copies and files of its picture and its table."""
    menu = QMenu(owner)
    clipboard = QApplication.clipboard
    menu.addAction("Copy picture", lambda: clipboard().setImage(picture(shown())))
    menu.addAction("Copy table", lambda: clipboard().setText(_tabs(rows())))
    menu.addSeparator()
    menu.addAction("Save as PNG…", lambda: _save(owner, name, "png", lambda path: save_png(shown(), path)))
    menu.addAction("Save as SVG…", lambda: _save(owner, name, "svg", lambda path: save_svg(shown(), path)))
    menu.addAction("Save as CSV…", lambda: _save(owner, name, "csv", lambda path: save_csv(rows(), path)))
    return menu


def _tabs(rows: TableRows) -> str:
    return "\n".join("\t".join(map(str, row)) for row in rows)


def _save(owner: QWidget, name: str, ending: str, write: Callable[[Path], None]) -> None:
    stem = "-".join(name.lower().split())
    chosen, _ = QFileDialog.getSaveFileName(owner, f"Save {name}", f"{stem}.{ending}", f"{ending.upper()} (*.{ending})")
    if not chosen:
        return
    path = Path(chosen)
    try:
        write(path if path.suffix else path.with_suffix(f".{ending}"))
    except OssicleError as error:
        QToolTip.showText(owner.mapToGlobal(QPoint(12, 12)), f"{error.what}. {error.remedy}.", owner)
