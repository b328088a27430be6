"""Makes the two font files beside this script: Inter 4 cut down to the characters that a chart needs, with digits of equal width.

    npm pack inter-ui@4.1.1 && tar xzf inter-ui-4.1.1.tgz
    pip install fonttools==4.68.0 brotli==1.2.1
    python make.py package

Run by hand when the characters change; the files and the licence are committed.
"""

import pathlib
import shutil
import sys

from fontTools import subset
from fontTools.ttLib import TTFont

# Latin, Latin-1, Latin Extended-A, Greek, punctuation, the euro and bitcoin signs, arrows, minus, comparisons.
SPANS = [(0x20, 0x7E), (0xA0, 0x17F), (0x370, 0x3FF), (0x2010, 0x2027), (0x2030, 0x2033), (0x20AC, 0x20AC),
         (0x20BF, 0x20BF), (0x2190, 0x2193), (0x2212, 0x2212), (0x2248, 0x2248), (0x2260, 0x2265)]

package, here = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
for weight in "Regular", "SemiBold":
    font = TTFont(package / "web" / f"Inter-{weight}.woff2", recalcTimestamp=False)
    # The feature `tnum` swaps in digits of equal width; here they become the only ones, so that no shaping is needed.
    swaps = {}
    for record in font["GSUB"].table.FeatureList.FeatureRecord:
        if record.FeatureTag == "tnum":
            for index in record.Feature.LookupListIndex:
                for table in font["GSUB"].table.LookupList.Lookup[index].SubTable:
                    swaps |= getattr(table, "ExtSubTable", table).mapping
    for table in font["cmap"].tables:
        if table.isUnicode():
            table.cmap = {c: swaps.get(g, g) if chr(c) in "0123456789" else g for c, g in table.cmap.items()}
    options = subset.Options(layout_features=[], hinting=False, notdef_outline=True, name_IDs=[0, 1, 2, 13, 14],
                             drop_tables=["GSUB", "GPOS", "GDEF", "STAT", "DSIG"])
    cut = subset.Subsetter(options)
    cut.populate(unicodes=[c for low, high in SPANS for c in range(low, high + 1)])
    cut.subset(font)
    font.flavor = None
    font.save(here / f"Inter-{weight}.ttf", reorderTables=True)
    widths = {font["hmtx"][font.getBestCmap()[ord(c)]][0] for c in "0123456789"}
    print(weight, len(font.getBestCmap()), "characters,", (here / f"Inter-{weight}.ttf").stat().st_size, "bytes, digit widths", widths)
shutil.copy(package / "LICENSE.txt", here / "LICENSE-Inter.txt")
