"""Writes small PDF/A-2b and PDF/A-3b files (ISO 19005-2, -3): text, rules, tables, embedded files.

Deterministic: the same calls give the same bytes. No interactive parts, no transparency, one output intent
with an sRGB profile computed here, fonts embedded as subsets.
"""

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from fontTools import subset, ttLib

# A4 in points.
WIDTH, HEIGHT = 595, 842
MARGIN = 64

FONTS = {
    "regular": "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "bold": "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",
}

# Height of DejaVu's capitals, in thousandths of the size: its OS/2 table is too old to say so.
CAP_HEIGHT = 729

XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
   <pdfaid:part>{part}</pdfaid:part>
   <pdfaid:conformance>B</pdfaid:conformance>
   <dc:format>application/pdf</dc:format>
   <dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
   <dc:creator><rdf:Seq><rdf:li>{author}</rdf:li></rdf:Seq></dc:creator>
   <dc:language><rdf:Bag><rdf:li>fr-FR</rdf:li></rdf:Bag></dc:language>
   <xmp:CreateDate>{date}T09:00:00+00:00</xmp:CreateDate>
   <xmp:ModifyDate>{date}T09:00:00+00:00</xmp:ModifyDate>
  </rdf:Description>
{extension} </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def srgb_profile():
    """An ICC version 2 display profile: the sRGB primaries adapted to D50, and its transfer curve."""
    def xyz(x, y, z):
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in (x, y, z)))

    def linear(value):
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    count = 1024
    curve = b"curv\0\0\0\0" + struct.pack(">I", count)
    curve += struct.pack(f">{count}H", *(round(linear(i / (count - 1)) * 65535) for i in range(count)))
    name = b"sRGB, computed by samples/make/pdf.py\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78),
        b"cprt": b"text\0\0\0\0No copyright, use freely\0",
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.4360747, 0.2225045, 0.0139322),
        b"gXYZ": xyz(0.3850649, 0.7168786, 0.0971045),
        b"bXYZ": xyz(0.1430804, 0.0606169, 0.7141733),
        b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    }
    table, data, places = b"", b"", {}
    start = 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        if value not in places:
            places[value] = start + len(data)
            data += value + bytes(-len(value) % 4)
        table += tag + struct.pack(">II", places[value], len(value))
    header = struct.pack(">I4sI4s4s4s6H4s", start + len(data), b"\0\0\0\0", 0x02100000, b"mntr", b"RGB ", b"XYZ ",
                         2026, 1, 1, 0, 0, 0, b"acsp")
    header += bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header + bytes(128 - len(header)) + struct.pack(">I", len(tags)) + table + data


@dataclass
class Font:
    """A font, the letters used of it, and once it is embedded their glyphs."""
    path: str
    letters: set = field(default_factory=set)
    glyphs: dict = field(default_factory=dict)

    def __post_init__(self):
        whole = ttLib.TTFont(self.path)
        self.units = whole["head"].unitsPerEm
        self._names, self._advances = whole.getBestCmap(), whole["hmtx"]

    def width(self, text, size):
        return sum(self._advances[self._names[ord(letter)]][0] for letter in text) * size / self.units

    def subset(self):
        """The bytes of the font with the letters used alone; fills `glyphs` (letter to glyph and advance)."""
        font = ttLib.TTFont(self.path, recalcTimestamp=False)
        options = subset.Options(layout_features=[], name_IDs=[1, 2, 6], notdef_outline=True, hinting=False)
        options.drop_tables += ["GSUB", "GPOS", "GDEF", "FFTM", "kern"]
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=[ord(letter) for letter in self.letters])
        subsetter.subset(font)
        for code, name in font.getBestCmap().items():
            self.glyphs[chr(code)] = (font.getGlyphID(name), round(font["hmtx"][name][0] * 1000 / self.units))
        file = io.BytesIO()
        font.save(file)
        return file.getvalue(), font


class Document:
    """A document, drawn from the top of the page down; `y` is the next baseline."""

    def __init__(self, title, author, date):
        self.title, self.author, self.date = title, author, date
        self.fonts = {name: Font(path) for name, path in FONTS.items()}
        self.pages, self.attachments, self.extension = [], [], ""
        self.page()

    def page(self):
        self.pages.append([])
        self.y = HEIGHT - MARGIN

    def text(self, x, text, size=10, font="regular", align="left"):
        """One line at `x`, which is its left end, its right end or its middle."""
        width = self.fonts[font].width(text, size)
        x -= {"left": 0, "right": width, "center": width / 2}[align]
        self.fonts[font].letters.update(text)
        self.pages[-1].append(("text", x, self.y, text, size, font))

    def down(self, points):
        self.y -= points

    def line(self, text, size=10, font="regular", align="left", after=4):
        self.text({"left": MARGIN, "right": WIDTH - MARGIN, "center": WIDTH / 2}[align], text, size, font, align)
        self.down(size + after)

    def paragraph(self, text, size=10, font="regular", indent=0, after=8):
        room, words = WIDTH - 2 * MARGIN - indent, text.split(" ")
        while words:
            count = len(words)
            while count > 1 and self.fonts[font].width(" ".join(words[:count]), size) > room:
                count -= 1
            self.text(MARGIN + indent, " ".join(words[:count]), size, font)
            self.down(size * 1.4)
            words = words[count:]
        self.down(after)

    def rule(self, x0=MARGIN, x1=WIDTH - MARGIN, weight=0.6):
        self.pages[-1].append(("rule", x0, self.y, x1, weight))

    def table(self, columns, rows, size=9):
        """`columns`: (title, x, align), x from the margin. A row is one text a column."""
        def row(texts, font):
            for (_, x, align), text in zip(columns, texts):
                self.text(MARGIN + x, text, size, font, align)
            self.down(5)
            self.rule(weight=0.3)
            self.down(size + 4)
        self.down(size)
        row([title for title, _, _ in columns], "bold")
        for texts in rows:
            row(texts, "regular")

    def attach(self, name, data, mime, description, relationship):
        """Embeds a file, which makes this a PDF/A-3."""
        self.attachments.append((name, data, mime, description, relationship))

    def bytes(self):
        return Writer(self).bytes()


class Writer:
    """Numbers the objects and writes them."""

    def __init__(self, document):
        self.document, self.objects = document, []

    def add(self, body):
        self.objects.append(body)
        return len(self.objects)

    def stream(self, data, entries=b"", compress=True):
        if compress:
            data, entries = zlib.compress(data, 9), entries + b" /Filter /FlateDecode"
        head = b"<< %s /Length %d >>\nstream\n" % (entries.strip(), len(data))
        return self.add(head + data + b"\nendstream")

    def font(self, name, font):
        data, reduced = font.subset()
        file = self.stream(data, b"/Length1 %d" % len(data))
        scale = 1000 / font.units
        tag = hashlib.sha256(data).digest()
        prefix = bytes(65 + byte % 26 for byte in tag[:6])
        base = prefix + b"+" + reduced["name"].getDebugName(6).encode()
        head, hhea = reduced["head"], reduced["hhea"]
        box = [round(value * scale) for value in (head.xMin, head.yMin, head.xMax, head.yMax)]
        descriptor = self.add(
            b"<< /Type /FontDescriptor /FontName /%s /Flags 4 /FontBBox [%d %d %d %d] /ItalicAngle 0 /Ascent %d "
            b"/Descent %d /CapHeight %d /StemV %d /FontFile2 %d 0 R >>"
            % (base, *box, round(hhea.ascent * scale), round(hhea.descent * scale),
               CAP_HEIGHT, 80 if name == "regular" else 140, file))
        glyphs = sorted(font.glyphs.items(), key=lambda item: item[1][0])
        widths = b" ".join(b"%d [%d]" % glyph for _, glyph in glyphs)
        descendant = self.add(
            b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /%s /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) "
            b"/Supplement 0 >> /FontDescriptor %d 0 R /CIDToGIDMap /Identity /DW 600 /W [%s] >>"
            % (base, descriptor, widths))
        unicode = self.stream(to_unicode(glyphs))
        return self.add(
            b"<< /Type /Font /Subtype /Type0 /BaseFont /%s /Encoding /Identity-H /DescendantFonts [%d 0 R] /ToUnicode %d 0 R >>"
            % (base, descendant, unicode))

    def content(self, page):
        parts = []
        for kind, *values in page:
            if kind == "text":
                x, y, text, size, font = values
                codes = b"".join(b"%04X" % self.document.fonts[font].glyphs[letter][0] for letter in text)
                name = b"F1" if font == "regular" else b"F2"
                parts.append(b"BT /%s %.5g Tf %.2f %.2f Td <%s> Tj ET" % (name, size, x, y, codes))
            else:
                x0, y, x1, weight = values
                parts.append(b"%.2f w %.2f %.2f m %.2f %.2f l S" % (weight, x0, y, x1, y))
        return self.stream(b"\n".join(parts))

    def attachment(self, name, data, mime, description, relationship):
        date = self.document.date.replace("-", "").encode()
        subtype = mime.replace("/", "#2F").encode()
        file = self.stream(
            data, b"/Type /EmbeddedFile /Subtype /%s /Params << /Size %d /ModDate (D:%s090000Z) >>" % (subtype, len(data), date))
        return self.add(
            b"<< /Type /Filespec /F (%s) /UF (%s) /Desc %s /AFRelationship /%s /EF << /F %d 0 R /UF %d 0 R >> >>"
            % (name.encode(), name.encode(), text_string(description), relationship.encode(), file, file))

    def bytes(self):
        document = self.document
        catalog, pages = self.add(b""), self.add(b"")
        fonts = [self.font(name, font) for name, font in document.fonts.items() if font.letters or name == "regular"]
        resources = b" ".join(b"/F%d %d 0 R" % (i + 1, font) for i, font in enumerate(fonts))
        kids = []
        for page in document.pages:
            content = self.content(page)
            kids.append(self.add(
                b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 %d %d] /Resources << /Font << %s >> >> /Contents %d 0 R >>"
                % (pages, WIDTH, HEIGHT, resources, content)))
        self.objects[pages - 1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (
            len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
        profile = self.stream(srgb_profile(), b"/N 3")
        intent = self.add(
            b"<< /Type /OutputIntent /S /GTS_PDFA1 /OutputConditionIdentifier (sRGB) /Info (sRGB) /DestOutputProfile %d 0 R >>" % profile)
        extra, part = b"", 2
        if document.attachments:
            part = 3
            files = [(attachment[0], self.attachment(*attachment)) for attachment in document.attachments]
            names = b" ".join(b"(%s) %d 0 R" % (name.encode(), file) for name, file in sorted(files))
            extra = b" /AF [%s] /Names << /EmbeddedFiles << /Names [%s] >> >>" % (
                b" ".join(b"%d 0 R" % file for _, file in files), names)
        xmp = XMP.format(part=part, title=escape(document.title), author=escape(document.author), date=document.date,
                         extension=document.extension)
        metadata = self.stream(xmp.encode(), b"/Type /Metadata /Subtype /XML", compress=False)
        self.objects[catalog - 1] = (
            b"<< /Type /Catalog /Version /1.7 /Pages %d 0 R /Lang (fr-FR) /ViewerPreferences << /DisplayDocTitle true >> "
            b"/OutputIntents [%d 0 R] /Metadata %d 0 R%s >>" % (pages, intent, metadata, extra))
        return self.file(catalog)

    def file(self, catalog):
        out, places = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
        for number, body in enumerate(self.objects, 1):
            places.append(len(out))
            out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
        identifier = hashlib.sha256(out).hexdigest()[:32].encode()
        start = len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
        out += b"".join(b"%010d 00000 n \n" % place for place in places)
        out += b"trailer\n<< /Size %d /Root %d 0 R /ID [<%s> <%s>] >>\nstartxref\n%d\n%%%%EOF\n" % (
            len(places) + 1, catalog, identifier, identifier, start)
        return bytes(out)


def text_string(text):
    return b"<FEFF" + text.encode("utf-16-be").hex().upper().encode() + b">"


def to_unicode(glyphs):
    lines = [b"<%04X> <%s>" % (glyph, letter.encode("utf-16-be").hex().upper().encode()) for letter, (glyph, _) in glyphs]
    blocks = [lines[i:i + 100] for i in range(0, len(lines), 100)]
    body = b"\n".join(b"%d beginbfchar\n%s\nendbfchar" % (len(block), b"\n".join(block)) for block in blocks)
    return (b"/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo << /Registry (Adobe) "
            b"/Ordering (UCS) /Supplement 0 >> def\n/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
            b"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n" + body +
            b"\nendcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n")
