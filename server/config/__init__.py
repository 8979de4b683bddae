"""What the operator wants: from the command line, the environment and a file.

Every option has one name in all three: `--clean-urls no`, `HEADRACE_CLEAN_URLS=no`, and in the
file `clean-urls = false`. The command line beats the environment, the environment the file. The
file is read once, at start; what is wrong in it is said in one sentence with the path of its keys.
It is never served, nor are the files of passwords that it names.

Rules are for paths as they are asked for, decoded, and for those of the files that are sent. Where
one guards a file (auth, allow, deny), it does so under all names of it: /admin means admin.html,
/report.html also report.html.gz beside it, /secret the list and the index of the directory. Rules
see names and not where links lead: a symbolic link inside the root is a name of its own, which
needs a rule of its own, and one to a .git makes it no secret any more; symlinks = "deny" has none.

All that it can say::

    # headrace.toml: paths are relative to the directory of this file
    root = "public"                           # the default site: all hosts that no [[site]] has
    listen = ["127.0.0.1:8080", "[::1]:8080"] # or "unix:run/headrace.sock"
    congestion = "auto"                       # or "system", or a name such as "cubic"
    backend = "auto"
    memory = "512M"
    log = "combined"
    verbose = false

    clean-urls = true                         # /about is about.html
    spa = false                               # a navigation to nowhere gets /index.html
    listing = false                           # a directory without an index is listed
    dotfiles = false                          # names that begin with a dot are served
    etag = "mtime"                            # or "content", "none"
    symlinks = "within"                       # or "follow", "deny"

    [mount]
    "/docs" = "manual/html"

    [types]
    stlx = "model/stl"                        # by the ending of a name

    [[rule]]                                  # for every site, before its own
    path = "/assets/**"                       # all beneath; * within a name, ** across; or a list of paths
    cache-control = "public, max-age=86400"
    headers = { X-Frame-Options = "DENY" }    # instead of what else there would be
    add-headers = { Link = "</app.css>; rel=preload" }
    remove-headers = ["X-Powered-By"]
    cors = true                               # or "*", or origins: ["https://example.org"]
    security = "basic"                        # or "strict", "isolated"

    [[rule]]
    path = "/old/**"
    redirect = "/new/:splat"                  # a path or a URL
    status = 301                              # default 302: a browser never forgets a 301
    force = true                              # default: also where a file lies

    [[rule]]
    path = "/app/**"
    rewrite = "/app/index.html"
    status = 200                              # default; or an error: that page with this status
    force = false                             # default: only where no file lies

    [[rule]]
    path = "/**"
    error-pages = { 404 = "/missing.html" }

    [[site]]
    name = "intern"                           # default: its first host
    hosts = ["intern.example.org", "*.intern.example.org"]
    root = "intern"
    listing = true                            # what it does not say is as above

    [site.mount]
    "/iso" = "/srv/iso"

    [[site.rule]]
    path = ["/private/**", "/drafts/**"]
    auth = { file = "users.htpasswd", realm = "Intern" }  # bcrypt only: htpasswd -B
    allow = ["192.0.2.0/24", "2001:db8::/32"]
    deny = "192.0.2.66"

    [[site.rule]]
    path = "/iso/**"
    bandwidth = "2M"                          # bytes per second for each connection
    download = true                           # to be saved, not shown
"""

from server.config.directory import check_directory, names_beneath, open_directory
from server.config.model import Config, SiteConfig
from server.config.options import DEFAULT_LISTEN, OPTIONS, BadOption, nearest, parse_address
from server.config.settings import read_config, unknown_variables

__all__ = [
    "DEFAULT_LISTEN", "OPTIONS", "BadOption", "Config", "SiteConfig", "check_directory",
    "names_beneath", "nearest", "open_directory", "parse_address", "read_config",
    "unknown_variables",
]  # fmt: skip
