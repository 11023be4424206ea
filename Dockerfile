# docker build -t wallbox2mqtt .   For amd64, arm64 and arm/v7; nothing is compiled. For arm/v7 some packages have
# wheels only at a third party's index: --build-arg PIP_EXTRA_INDEX_URL=… names one (docs/install.md).
# A release names its base by digest, because a tag moves: --build-arg BASE_DIGEST=@sha256:…, as told by
#   docker buildx imagetools inspect python:3.13-slim-trixie --format '{{.Manifest.Digest}}'
ARG BASE_DIGEST=
FROM python:3.13-slim-trixie${BASE_DIGEST} AS build
ARG PIP_EXTRA_INDEX_URL=
WORKDIR /src
COPY . .
# what builds our wheel, and what it needs to run: wheels, by their hashes; pip stays behind. A third party's index has
# wheels of its own making, which no hash here knows: with it the versions alone are held to.
RUN pip install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements/build.txt \
    && pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/wallbox2mqtt \
    && set -- --require-hashes \
    && if [ -n "$PIP_EXTRA_INDEX_URL" ]; then shift; sed -i '/--hash=/d; s/ \\$//' requirements/run.txt; fi \
    && pip --python /opt/wallbox2mqtt/bin/python install --no-cache-dir --only-binary :all: "$@" --requirement requirements/run.txt \
    && pip --python /opt/wallbox2mqtt/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl
# Linux drops a SIGTERM to a container's first process that has no handler yet, and Python takes a while to have one: blocked
# from the first moment on, the signal waits
RUN sed -i '1s|^#!|#!/usr/bin/env -S --block-signal=TERM,INT |' /opt/wallbox2mqtt/bin/wallbox2mqtt

FROM python:3.13-slim-trixie${BASE_DIGEST}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="wallbox2mqtt" \
      org.opencontainers.image.description="Wallbox chargers on MQTT, as fresh as the vendor's cloud allows" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim-trixie"
COPY --from=build /opt/wallbox2mqtt /opt/wallbox2mqtt
RUN install -d -o 10001 -g 10001 -m 700 /var/lib/wallbox2mqtt
ENV PATH=/opt/wallbox2mqtt/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TZ=UTC \
    MALLOC_ARENA_MAX=1 \
    MALLOC_MMAP_THRESHOLD_=65536 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    WALLBOX2MQTT_STATE_DIR=/var/lib/wallbox2mqtt
USER 10001:10001
WORKDIR /var/lib/wallbox2mqtt
VOLUME /var/lib/wallbox2mqtt
# patience is in the command itself: what it calls unhealthy has lasted
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=1 CMD ["wallbox2mqtt", "health"]
# it handles SIGTERM and SIGINT itself and starts no other process: no init is needed in front of it
STOPSIGNAL SIGTERM
ENTRYPOINT ["wallbox2mqtt"]
CMD ["run"]
