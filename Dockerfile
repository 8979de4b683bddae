# docker build -t headrace .
# docker run --read-only --cap-drop ALL --security-opt no-new-privileges \
#     -p 8080:8080 -v /srv/www:/srv/www:ro headrace
#
# The bases are arguments, for machines that have others. Both must be of one distribution, with
# python3 at one place; the builder also needs pip, a C compiler and Python's headers.
ARG BUILDER=docker.io/library/python:3.13
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BUILDER} AS wheel
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE ./
COPY aio aio
COPY server server
# With [auth], a quarter of a megabyte, for a server checks passwords; without [compress], which is for builds.
# A machine with an index or certificates of its own passes them as secrets, which no layer keeps.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/run/secrets/ca \
    pip wheel --no-cache-dir --wheel-dir /wheels '.[auth]' \
    && python3 -m venv --without-pip /opt/headrace \
    && pip --python /opt/headrace install --no-cache-dir --no-index --find-links /wheels 'headrace[auth]'

FROM ${BASE}
LABEL org.opencontainers.image.title="Headrace" \
      org.opencontainers.image.description="A static-file HTTP server that never waits for a disk" \
      org.opencontainers.image.licenses="MIT"
COPY --from=wheel /opt/headrace /opt/headrace
COPY static /srv/www
ENV PATH=/opt/headrace/bin:/usr/local/bin:/usr/bin:/bin \
    HEADRACE_ROOT=/srv/www \
    HEADRACE_LISTEN=0.0.0.0:8080
# A number, so that Kubernetes can tell that it is not root; no name is needed for it.
USER 65532:65532
WORKDIR /
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["headrace", "healthcheck"]
ENTRYPOINT ["headrace"]
