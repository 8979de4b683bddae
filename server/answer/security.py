"""Presets of headers that tell browsers what a site does not do."""

from server.answer.headers import Headers

BASIC: Headers = (
    (b"Referrer-Policy", b"strict-origin-when-cross-origin"),
    (b"X-Frame-Options", b"SAMEORIGIN"),
    (b"Cross-Origin-Opener-Policy", b"same-origin-allow-popups"),
)
# Scripts, styles and all else only from the site itself; no camera and the like; no frames.
STRICT: Headers = (
    (b"Content-Security-Policy",
     b"default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"X-Frame-Options", b"DENY"),
    (b"Permissions-Policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
)  # fmt: skip
# What SharedArrayBuffer and exact timers ask for (HTML standard, "cross-origin isolated").
ISOLATED: Headers = (
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Embedder-Policy", b"require-corp"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
)
PRESETS: dict[str, Headers] = {"basic": BASIC, "strict": STRICT, "isolated": ISOLATED}
