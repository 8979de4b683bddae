"""How the list of a directory looks.

It is one page with nothing beside it, so the style is in it. Colours stand out from what is
behind them by 4.5 to 1 and more (WCAG 2.2, 1.4.3). On a phone dates lose their time of day.

The rows are grids, since no browser can skip a part of what is laid out as a table: so Chromium
shows 100,000 rows in 2 seconds instead of 25. It remains a table for those who hear it.
"""

STYLE = """\
:root { color-scheme: light dark; --paper: #fbf9f4; --raised: #f1ede3; --ink: #1c262c; --soft: #56636a;
  --line: #e2dccf; --water: #0b5f94; --leaf: #b3bcc0 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #10181f; --raised: #18232c; --ink: #e8ecee; --soft: #a3b1b9; --line: #263540;
    --water: #7cc8f5; --leaf: #4d606c }
}
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100% }
body { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
a { color: var(--water); text-decoration: none }
a:hover { text-decoration: underline; text-underline-offset: .2em }
:focus-visible { outline: 2px solid var(--water); outline-offset: 2px; border-radius: 4px }
bdi { white-space: pre-wrap; overflow-wrap: anywhere }
h1 { margin: 0; font-size: 1.5rem; font-weight: 600; line-height: 1.35; letter-spacing: -.01em }
h1 i { padding: 0 .1em; color: var(--soft); font-style: normal; font-weight: 400 }
p { margin: .35rem 0 1.75rem; color: var(--soft) }
table, thead, tbody { display: block; font-variant-numeric: tabular-nums }
tbody + tbody + tbody { content-visibility: auto; contain-intrinsic-size: auto 246rem }
tr { display: grid; grid-template-columns: 1fr 6rem 11.5rem; border-bottom: 1px solid var(--line) }
th, td { padding: 0; font-weight: 400; text-align: start }
td { padding: .45rem 0; color: var(--soft); white-space: nowrap }
th + th, td { text-align: end }
tr > :last-child { padding-inline-end: .5rem }
th a { display: block; padding: .45rem .5rem }
th a:focus-visible { outline-offset: -2px }
thead tr { border-bottom-width: 2px; font-size: .875rem }
thead a { color: var(--soft) }
thead th:nth-child(n+2) a { padding-inline-end: 0 }
thead [aria-sort] a { color: var(--ink); font-weight: 600 }
[aria-sort] a::after { content: " \\2191"; content: " \\2191" / "" }
[aria-sort=descending] a::after { content: " \\2193"; content: " \\2193" / "" }
tbody tr:hover { background: var(--raised) }
tbody a { position: relative; padding-inline-start: 2.1rem }
tbody a::before { content: ""; position: absolute; inset-block-start: .72rem; inset-inline-start: .55rem;
  width: .95rem; height: 1rem; background: var(--leaf);
  clip-path: polygon(8% 0, 62% 0, 92% 30%, 92% 100%, 8% 100%) }
tbody a[href$="/"] { font-weight: 600 }
tbody a[href$="/"]::before { background: var(--water);
  clip-path: polygon(0 12%, 38% 12%, 50% 26%, 100% 26%, 100% 92%, 0 92%) }
tbody a[href="../"] { font-weight: 400 }
tbody a[href="../"]::before { background: var(--soft);
  clip-path: polygon(50% 8%, 95% 54%, 62% 54%, 62% 92%, 38% 92%, 38% 54%, 5% 54%) }
tbody td[colspan] { grid-column: 1 / -1; padding: 2rem; text-align: center }
@media (max-width: 40rem) {
  body { padding: 1.5rem 1rem 3rem }
  h1 { font-size: 1.25rem }
  tr { grid-template-columns: 1fr 4.5rem 6.25rem }
  tbody a { padding-inline: 1.75rem 0 }
  tbody a::before { inset-inline-start: .25rem }
  thead th:first-child a { padding-inline-start: .25rem }
  tr > :last-child { padding-inline-end: .25rem }
  td { font-size: .9375rem }
  th span, td span { display: none }
}
"""
