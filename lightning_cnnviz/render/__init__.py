"""Arrays to uint8 RGB pictures: numpy in, numpy out, with no knowledge of models, hooks or loggers.

`measuring` and `maps` color numbers, `resampling` enlarges and shrinks, `text` sets type, `blocks` puts pieces side by
side, `captions` and `bars` say what they are, `geometry` knows how large everything is, and `sheets`, `tiling`, `film`,
`table` and `card` put them together. Views hand over `figures` made of `columns`, which are data; what they look like
is decided here.
"""

from lightning_cnnviz.render.bar_sheets import BarSheet
from lightning_cnnviz.render.bars import ColorBar
from lightning_cnnviz.render.captions import Caption
from lightning_cnnviz.render.card import Card
from lightning_cnnviz.render.charts import Bar, bar_chart
from lightning_cnnviz.render.colormaps import lookup_table
from lightning_cnnviz.render.columns import Bars, Column, Images, SignedImages
from lightning_cnnviz.render.figures import Row, Sheet, Tiles
from lightning_cnnviz.render.film import FilmStrip, Frame
from lightning_cnnviz.render.fonts import missing_glyphs
from lightning_cnnviz.render.kernels import draw_rgb_kernels
from lightning_cnnviz.render.legend import MaskSheet
from lightning_cnnviz.render.map_columns import Kind, Laying, Maps
from lightning_cnnviz.render.maps import DrawnMaps, draw_enlarged, draw_maps, overlay
from lightning_cnnviz.render.masks import Masks
from lightning_cnnviz.render.measuring import Scale
from lightning_cnnviz.render.resampling import resize
from lightning_cnnviz.render.sheets import sheet
from lightning_cnnviz.render.table import HeatTable
from lightning_cnnviz.render.text import format_number, moment
from lightning_cnnviz.render.tiling import tiles

__all__ = [
    "Bar",
    "BarSheet",
    "Bars",
    "Caption",
    "Card",
    "ColorBar",
    "Column",
    "DrawnMaps",
    "FilmStrip",
    "Frame",
    "HeatTable",
    "Images",
    "Kind",
    "Laying",
    "Maps",
    "MaskSheet",
    "Masks",
    "Row",
    "Scale",
    "Sheet",
    "SignedImages",
    "Tiles",
    "bar_chart",
    "draw_enlarged",
    "draw_maps",
    "draw_rgb_kernels",
    "format_number",
    "lookup_table",
    "missing_glyphs",
    "moment",
    "overlay",
    "resize",
    "sheet",
    "tiles",
]
