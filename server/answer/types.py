"""Content types by the ending of a name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DEFAULT: Final = b"application/octet-stream"
PLAIN: Final = b"text/plain; charset=utf-8"

# Names without an ending that every browser can show, and whoever follows such a link wants to read.
_BY_NAME: dict[bytes, bytes] = {
    b"apple-app-site-association": b"application/json",
    **dict.fromkeys(
        (
            b"authors", b"changelog", b"changes", b"cname", b"contributing", b"copying", b"dockerfile",
            b"install", b"license", b"licence", b"makefile", b"news", b"notice", b"readme", b"todo",
        ),
        PLAIN,
    ),
}  # fmt: skip

_BY_ENDING: dict[bytes, bytes] = {
    ending: kind.encode()
    for kind, endings in {
        "text/html; charset=utf-8": (b"html", b"htm"),
        "text/css; charset=utf-8": (b"css",),
        "text/javascript; charset=utf-8": (b"js", b"mjs", b"cjs"),
        "text/plain; charset=utf-8": (
            b"txt", b"text", b"log", b"conf", b"cfg", b"ini", b"toml", b"lock", b"py", b"c", b"h", b"cc",
            b"cpp", b"hpp", b"rs", b"go", b"java", b"kt", b"rb", b"pl", b"lua", b"sql", b"sh", b"bash",
            b"tsx", b"jsx", b"diff", b"patch", b"rst", b"tex", b"asc", b"sig", b"sha256", b"sha512", b"md5",
            b"sum", b"pem", b"crt", b"srt",
        ),
        "text/markdown; charset=utf-8": (b"md", b"markdown"),
        "text/csv; charset=utf-8": (b"csv",),
        "text/tab-separated-values; charset=utf-8": (b"tsv",),
        "text/calendar; charset=utf-8": (b"ics",),
        "text/vcard; charset=utf-8": (b"vcf",),
        "text/vtt; charset=utf-8": (b"vtt",),
        "text/yaml; charset=utf-8": (b"yaml", b"yml"),
        "text/xml; charset=utf-8": (b"xml", b"xsl", b"xsd"),
        "application/json": (b"json", b"map", b"topojson"),
        "application/jsonl": (b"jsonl",),
        "application/x-ndjson": (b"ndjson",),
        "application/x-ipynb+json": (b"ipynb",),
        "application/ld+json": (b"jsonld",),
        "application/geo+json": (b"geojson",),
        "application/manifest+json": (b"webmanifest",),
        "application/feed+json": (b"jsonfeed",),
        "application/rss+xml; charset=utf-8": (b"rss",),
        "application/atom+xml; charset=utf-8": (b"atom",),
        "application/xhtml+xml; charset=utf-8": (b"xhtml", b"xht"),
        "application/wasm": (b"wasm",),
        "application/pdf": (b"pdf",),
        "application/zip": (b"zip", b"whl"),
        "application/gzip": (b"gz", b"tgz"),
        "application/zstd": (b"zst",),
        "application/x-bzip2": (b"bz2",),
        "application/x-xz": (b"xz",),
        "application/x-brotli": (b"br",),
        "application/x-iso9660-image": (b"iso",),
        "application/vnd.ms-excel": (b"xls",),
        "application/vnd.ms-powerpoint": (b"ppt",),
        "application/vnd.oasis.opendocument.presentation": (b"odp",),
        "application/postscript": (b"ps", b"eps", b"ai"),
        "application/x-bittorrent": (b"torrent",),
        "application/vnd.pmtiles": (b"pmtiles",),
        "application/vnd.sqlite3": (b"sqlite", b"sqlite3"),
        "application/vnd.apache.parquet": (b"parquet",),
        "application/xslt+xml": (b"xslt",),
        "application/opensearchdescription+xml": (b"osdx",),
        "application/x-tar": (b"tar",),
        "application/x-apple-diskimage": (b"dmg",),
        "application/vnd.google-earth.kml+xml": (b"kml",),
        "application/gpx+xml": (b"gpx",),
        "application/x-7z-compressed": (b"7z",),
        "application/epub+zip": (b"epub",),
        "application/vnd.debian.binary-package": (b"deb",),
        "application/x-rpm": (b"rpm",),
        "application/vnd.android.package-archive": (b"apk",),
        "application/java-archive": (b"jar", b"war"),
        "application/msword": (b"doc",),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (b"docx",),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (b"xlsx",),
        "application/vnd.openxmlformats-officedocument.presentationml.presentation": (b"pptx",),
        "application/vnd.oasis.opendocument.text": (b"odt",),
        "application/vnd.oasis.opendocument.spreadsheet": (b"ods",),
        "application/vnd.apple.mpegurl": (b"m3u8",),
        "application/dash+xml": (b"mpd",),
        "application/rtf": (b"rtf",),
        "image/png": (b"png",),
        "image/apng": (b"apng",),
        "image/jpeg": (b"jpg", b"jpeg", b"jpe"),
        "image/gif": (b"gif",),
        "image/webp": (b"webp",),
        "image/avif": (b"avif",),
        "image/jxl": (b"jxl",),
        "image/heic": (b"heic",),
        "image/heif": (b"heif",),
        "image/bmp": (b"bmp",),
        "image/tiff": (b"tif", b"tiff"),
        "image/x-icon": (b"ico", b"cur"),
        "image/svg+xml": (b"svg",),  # no svgz: without a Content-Encoding no browser shows it
        "font/woff": (b"woff",),
        "font/woff2": (b"woff2",),
        "font/ttf": (b"ttf",),
        "font/otf": (b"otf",),
        "font/collection": (b"ttc",),
        "application/vnd.ms-fontobject": (b"eot",),
        "audio/mpeg": (b"mp3",),
        "audio/mp4": (b"m4a", b"m4b"),
        "audio/aiff": (b"aiff", b"aif"),
        "audio/ogg": (b"ogg", b"oga", b"opus"),
        "audio/flac": (b"flac",),
        "audio/wav": (b"wav",),
        "audio/aac": (b"aac",),
        "audio/midi": (b"mid", b"midi"),
        "audio/webm": (b"weba",),
        "video/mp4": (b"mp4", b"m4v"),
        "video/webm": (b"webm",),
        "video/ogg": (b"ogv",),
        "video/quicktime": (b"mov",),
        "video/3gpp": (b"3gp",),
        "video/x-matroska": (b"mkv",),
        "video/x-msvideo": (b"avi",),
        "video/mp2t": (b"ts",),
        "video/mpeg": (b"mpg", b"mpeg"),
        "model/gltf+json": (b"gltf",),
        "model/gltf-binary": (b"glb",),
        "model/obj": (b"obj",),
        "model/stl": (b"stl",),
    }.items()
    for ending in endings
}  # fmt: skip


# What a browser needs before it shows a page. Nobody sits and waits for the rest.
_OF_PAGES = (
    b"text/",
    b"image/",
    b"font/",
    b"application/json",
    b"application/manifest+json",
)


def belongs_to_a_page(kind: bytes) -> bool:
    """Whether files of this content type are parts of pages, rather than downloads."""
    return kind.startswith(_OF_PAGES)


def content_type(path: bytes, overrides: Mapping[bytes, bytes] = MappingProxyType({})) -> bytes:
    """The type of what lies at this path; the site's own types, by ending in lower case, go first.

    >>> content_type(b"lib/app.MJS")
    b'text/javascript; charset=utf-8'
    """
    stem, _, ending = path.rpartition(b".")
    if ending.find(b"/") >= 0 or not stem.rpartition(b"/")[2].lstrip(b"."):
        return _BY_NAME.get(path.rpartition(b"/")[2].lower(), DEFAULT)  # nothing but dots before the last one
    ending = ending.lower()
    return overrides.get(ending) or _BY_ENDING.get(ending, DEFAULT)
